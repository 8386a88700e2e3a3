#include "server/rpc/call_deadline.h"

#include <algorithm>
#include <cstdint>

#include "absl/time/clock.h"

namespace cooper::rpc {
namespace {

// Of the network and the threads between the client's clock and ours.
constexpr absl::Duration kTransit = absl::Milliseconds(20);
// Timeouts on the wire are not negative, so a deadline is older only by the
// transit and by steps of the system clock.
constexpr absl::Duration kOldest = absl::Hours(24);

}  // namespace

std::chrono::system_clock::time_point WireDeadline(gpr_timespec raw_deadline) {
  using Clock = std::chrono::system_clock;
  const gpr_timespec deadline =
      gpr_convert_clock_type(raw_deadline, GPR_CLOCK_REALTIME);
  constexpr auto kLatest =
      std::chrono::floor<std::chrono::seconds>(Clock::duration::max());
  if (deadline.tv_sec >= kLatest.count()) return Clock::time_point::max();
  return Clock::time_point(std::chrono::duration_cast<Clock::duration>(
      std::chrono::seconds(std::max<int64_t>(deadline.tv_sec, 0)) +
      std::chrono::nanoseconds(deadline.tv_nsec)));
}

CallDeadline::CallDeadline(std::chrono::system_clock::time_point wire,
                           const base::Clock& clock,
                           absl::Duration max_timeout) {
  const absl::Time now = clock.Now();
  if (wire == std::chrono::system_clock::time_point::max()) {
    time_ = now + max_timeout;
    return;
  }
  const absl::Duration timeout = absl::FromChrono(wire) - absl::Now();
  if (timeout > max_timeout || timeout < -kOldest) {
    time_ = now + max_timeout;
    return;
  }
  time_ = now + timeout;
  slack_ = std::max(timeout, absl::ZeroDuration()) / 100 + kTransit;
}

}  // namespace cooper::rpc
