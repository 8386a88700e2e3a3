#ifndef COOPER_SERVER_ENGINE_JOB_STATE_H_
#define COOPER_SERVER_ENGINE_JOB_STATE_H_

#include <array>
#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "server/engine/engine_options.h"

namespace cooper::engine {

enum class JobState {
  kWaiting,    // to be prepared
  kPreparing,  // on the prepare pool
  kReady,      // waits for one of the running requests' places and KV memory
  kRunning,    // has an Execution
  kClosing,    // done; its last events are still being made
  kEnded,      // was told of its end
};

// Counts jobs by their state. Thread-safe; never blocks for long.
class JobCounts {
 public:
  void Add(JobState state) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    ++counts_[static_cast<size_t>(state)];
  }
  void Remove(JobState state) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    --counts_[static_cast<size_t>(state)];
  }
  void Move(JobState from, JobState to) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    --counts_[static_cast<size_t>(from)];
    ++counts_[static_cast<size_t>(to)];
  }
  int of(JobState state) const ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    return OfLocked(state);
  }
  EngineLoad load() const ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    return {OfLocked(JobState::kWaiting) + OfLocked(JobState::kPreparing) +
                OfLocked(JobState::kReady),
            OfLocked(JobState::kRunning)};
  }

 private:
  int OfLocked(JobState state) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return counts_[static_cast<size_t>(state)];
  }

  mutable base::Mutex mutex_;
  std::array<int, 6> counts_ ABSL_GUARDED_BY(mutex_) = {};
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_JOB_STATE_H_
