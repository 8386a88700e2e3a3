#ifndef COOPER_SERVER_LIFECYCLE_EVENTS_H_
#define COOPER_SERVER_LIFECYCLE_EVENTS_H_

#include <deque>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace cooper {

enum class LifecycleEvent {
  kStopSignal,
  kLoaded,
  kEngineFailed,
  kDeaf,
  kDrained
};

// What the main thread waits for. Thread-safe.
class LifecycleEventQueue {
 public:
  void Post(LifecycleEvent event) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    queue_.push_back(event);
  }
  LifecycleEvent Wait() { return *Wait(absl::InfiniteDuration()); }
  // nullopt: nothing happened for so long.
  std::optional<LifecycleEvent> Wait(absl::Duration timeout)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(
                                     +[](std::deque<LifecycleEvent>* queue) {
                                       return !queue->empty();
                                     },
                                     &queue_),
                                 timeout)) {
      return std::nullopt;
    }
    const LifecycleEvent event = queue_.front();
    queue_.pop_front();
    return event;
  }

 private:
  base::Mutex mutex_;
  std::deque<LifecycleEvent> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cooper

#endif  // COOPER_SERVER_LIFECYCLE_EVENTS_H_
