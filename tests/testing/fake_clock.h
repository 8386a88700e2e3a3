#ifndef COOPER_TESTS_TESTING_FAKE_CLOCK_H_
#define COOPER_TESTS_TESTING_FAKE_CLOCK_H_

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace cooper::testing {

// Time that moves only when told to. Thread-safe. Whoever waits for a deadline
// of it does not see it pass: wake them after Advance.
class FakeClock final : public base::Clock {
 public:
  absl::Time Now() const override ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    return now_;
  }
  void Advance(absl::Duration duration) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    now_ += duration;
  }

 private:
  mutable base::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) = absl::FromUnixSeconds(1000);
};

}  // namespace cooper::testing

#endif  // COOPER_TESTS_TESTING_FAKE_CLOCK_H_
