#ifndef COOPER_SERVER_ENGINE_SCHEDULE_ADMISSION_H_
#define COOPER_SERVER_ENGINE_SCHEDULE_ADMISSION_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "server/engine/schedule/waiting_line.h"

namespace cooper::engine {

// What admission looks at.
struct Arrival {
  LineEntry entry;
  int64_t bytes = 0;  // of its inputs
  absl::Time deadline = absl::InfiniteFuture();
  // It takes over the place of a request that is ending.
  bool follows = false;
};

// Who may come in: a bound on the number of requests that are open (admitted,
// and their sink not told of the end), of all and of each client, on the bytes
// of their inputs, and on the time that a request will wait; and whose deadline
// leaves the time to be done.
//
// Thread-safe; never blocks but for WaitUntilIdle.
class Admission {
 public:
  static constexpr int kFairShare = -1;
  struct Limits {
    int max_open = 0;
    int64_t max_bytes = 0;
    // Of one client whose name is known. 0: no limit. kFairShare: no limit, but
    // where all places are taken, a client takes one from the client with the
    // most waiting requests, if that one will still have no fewer.
    int max_per_client = 0;
    int max_running = 1;
    // Longest expected wait of a request that comes in. Zero: no limit.
    absl::Duration max_delay;
  };
  explicit Admission(Limits limits)
      : limits_(limits), line_(limits.max_running) {}

  // OK: counted until Close, and waits until Started or LeftLine.
  // RESOURCE_EXHAUSTED QUEUE_FULL or CLIENT_LIMIT, DEADLINE_EXCEEDED
  // DEADLINE_TOO_SHORT, each with the time after which another try is likely to
  // pass; UNAVAILABLE DRAINING or ENGINE_FAILED. Of one that follows only bytes
  // count.
  absl::Status Admit(const Arrival& arrival, absl::Time now)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The inputs of an open request were freed.
  void FreeBytes(int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  // Clients, once for each of their places that was given to another: the
  // newest waiting request of each is to be ended with `LostPlace`.
  std::vector<std::string> TakeEvictions() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status LostPlace(const LineEntry& entry, absl::Time now)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // A waiting request whose turn it is can still be done by its deadline. Not
  // OK: DEADLINE_TOO_SHORT. Where no other waits it may try.
  absl::Status CheckStart(const LineEntry& entry, absl::Time deadline,
                          absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);
  void Started(const LineEntry& entry) ABSL_LOCKS_EXCLUDED(mutex_);
  // It ends without having been started.
  void LeftLine(const LineEntry& entry) ABSL_LOCKS_EXCLUDED(mutex_);
  // A started request ran for `ran`. `finished`: to its end.
  void Ran(const LineEntry& entry, absl::Duration ran, bool finished,
           absl::Time now) ABSL_LOCKS_EXCLUDED(mutex_);
  // How many can run at once by now; at first max_running.
  void SetPlaces(int places) ABSL_LOCKS_EXCLUDED(mutex_);
  // An open request was told of its end.
  void Close(const std::string& client = {}) ABSL_LOCKS_EXCLUDED(mutex_);

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
  absl::Duration RetryAfter(const LineEntry& entry, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckCounts(const Arrival& arrival, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckWait(const Arrival& arrival, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes a place from the client with the most; false: there is none to take.
  bool Evict(const LineEntry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Limits limits_;
  mutable base::Mutex mutex_;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, int> clients_ ABSL_GUARDED_BY(mutex_);  // open
  WaitingLine line_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> evictions_ ABSL_GUARDED_BY(mutex_);  // not taken
  int64_t refusals_ ABSL_GUARDED_BY(mutex_) = 0;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
  bool given_up_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_SCHEDULE_ADMISSION_H_
