#ifndef COOPER_BASE_MUTEX_H_
#define COOPER_BASE_MUTEX_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace cooper::base {

// absl::Mutex's interface (the part that we use) over the system's mutex. The
// distribution's abseil is built without ThreadSanitizer, which then sees none
// of the order that absl::Mutex makes; of this one it sees all.
//
// Whoever unlocks wakes all who await; they look at their conditions again, on
// their own threads.
class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() {
    // Before unlocking: behind it the mutex may be gone.
    if (waiting_ > 0) changed_.notify_all();
    mutex_.unlock();
  }
  // For the thread-safety analysis only.
  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK() {}

  // Unlocks, and locks again once `condition` holds.
  void Await(const absl::Condition& condition)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(this) {
    AwaitWithTimeout(condition, absl::InfiniteDuration());
  }
  // The same, for at most `timeout`; returns whether the condition holds.
  bool AwaitWithTimeout(const absl::Condition& condition,
                        absl::Duration timeout)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(this) {
    std::unique_lock<std::mutex> lock(mutex_, std::adopt_lock);
    const auto holds = [&condition] { return condition.Eval(); };
    // What others wait for may have changed under this lock.
    if (waiting_ > 0 && !holds()) changed_.notify_all();
    ++waiting_;
    bool held = true;
    if (timeout >= kForEver) {
      changed_.wait(lock, holds);
    } else {
      held = changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout), holds);
    }
    --waiting_;
    lock.release();
    return held;
  }

 private:
  // The system's clock cannot add more to now.
  static constexpr absl::Duration kForEver = absl::Hours(24 * 365);

  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;  // guarded by mutex_
};

// Holds a Mutex from its making to its end.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex)
      : mutex_(mutex) {
    mutex_->Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

}  // namespace cooper::base

#endif  // COOPER_BASE_MUTEX_H_
