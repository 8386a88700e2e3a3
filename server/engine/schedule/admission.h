#ifndef COOPER_SERVER_ENGINE_SCHEDULE_ADMISSION_H_
#define COOPER_SERVER_ENGINE_SCHEDULE_ADMISSION_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace cooper::engine {

// Who may come in: a bound on the number of requests that are open (admitted,
// and their sink not told of the end), of all and of each client, and on the
// bytes of their inputs.
//
// Thread-safe; never blocks but for WaitUntilIdle.
class Admission {
 public:
  struct Limits {
    int max_open = 0;
    int64_t max_bytes = 0;
    int max_per_client = 0;  // of one client whose name is known; 0: no limit
  };
  explicit Admission(Limits limits) : limits_(limits) {}

  // OK: counted until Close. RESOURCE_EXHAUSTED QUEUE_FULL or CLIENT_LIMIT with
  // the time after which a place is likely to be free, UNAVAILABLE DRAINING or
  // ENGINE_FAILED. `follows`: it takes over the place of a request that is
  // ending, so only bytes count.
  absl::Status Admit(int64_t bytes, const std::string& client = {},
                     bool follows = false) ABSL_LOCKS_EXCLUDED(mutex_);
  // The inputs of an open request were freed.
  void FreeBytes(int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // An open request ended at `now`.
  void Close(absl::Time now, const std::string& client = {})
      ABSL_LOCKS_EXCLUDED(mutex_);

  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);
  void Fail() ABSL_LOCKS_EXCLUDED(mutex_);
  // As Fail, and whatever is open may never be closed: nothing waits for it.
  void GiveUp() ABSL_LOCKS_EXCLUDED(mutex_);
  bool draining() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool failed() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool given_up() const ABSL_LOCKS_EXCLUDED(mutex_);
  int open() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Blocks until nothing is open or GiveUp was called, at most `timeout` of
  // real time; false: it timed out.
  bool WaitUntilIdle(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Duration RetryAfterLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Limits limits_;
  mutable base::Mutex mutex_;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, int> clients_ ABSL_GUARDED_BY(mutex_);  // open
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
  bool given_up_ ABSL_GUARDED_BY(mutex_) = false;
  // Smoothed time between ends; zero before the second one.
  absl::Duration interval_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_close_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_SCHEDULE_ADMISSION_H_
