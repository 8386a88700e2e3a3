#ifndef COOPER_SERVER_ENGINE_INBOX_H_
#define COOPER_SERVER_ENGINE_INBOX_H_

#include <functional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace cooper::engine {

// Tasks for the engine thread, in the order in which they were posted.
// Thread-safe; only WaitFor blocks.
class Inbox {
 public:
  using Task = std::function<void()>;

  void Post(Task task) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    tasks_.push_back(std::move(task));
    awake_ = true;
  }
  // Ends the current wait, or the next one.
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    awake_ = true;
  }
  std::vector<Task> Take() ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    awake_ = false;
    return std::exchange(tasks_, {});
  }
  // Until something was posted or woken since Take, at most `timeout` of real
  // time.
  void WaitFor(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&awake_), timeout);
  }

 private:
  base::Mutex mutex_;
  std::vector<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  bool awake_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_INBOX_H_
