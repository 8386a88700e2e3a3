#ifndef COOPER_SERVER_RPC_CALL_DEADLINE_H_
#define COOPER_SERVER_RPC_CALL_DEADLINE_H_

#include <grpc/support/time.h>

#include <chrono>

#include "absl/time/time.h"
#include "base/clock.h"

namespace cooper::rpc {

// The deadline of a call, on the system clock; the clock's maximum where the
// call has none, and where the clock cannot hold it (beyond the year 2262):
// ServerContext::deadline() overflows there.
std::chrono::system_clock::time_point WireDeadline(gpr_timespec raw_deadline);

// A call's deadline on our monotonic clock.
//
// The engine enforces it; gRPC is told not to (endpoint.cc). A client whose
// own deadline passes cancels a little before the server's passes: the wire
// rounds timeouts up, by at most 1 %. `Passed` allows for that.
class CallDeadline {
 public:
  // `wire` is WireDeadline of the call: the system clock's maximum where the
  // call has none. A later one than `max_timeout` from now is capped, and so is
  // one so far in the past that only an overflow explains it.
  CallDeadline(std::chrono::system_clock::time_point wire,
               const base::Clock& clock, absl::Duration max_timeout);

  absl::Time time() const { return time_; }
  bool Passed(absl::Time now) const { return now >= time_ - slack_; }

 private:
  absl::Time time_;
  absl::Duration slack_ = absl::ZeroDuration();
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_CALL_DEADLINE_H_
