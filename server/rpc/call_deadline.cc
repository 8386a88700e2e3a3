#include "server/rpc/call_deadline.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace cooper::rpc {
namespace {

// Of the network and the threads between the client's clock and ours.
constexpr absl::Duration kTransit = absl::Milliseconds(20);

}  // namespace

CallDeadline::CallDeadline(std::chrono::system_clock::time_point wire,
                           const base::Clock& clock,
                           absl::Duration max_timeout) {
  const absl::Time now = clock.Now();
  if (wire == std::chrono::system_clock::time_point::max()) {
    time_ = now + max_timeout;
    return;
  }
  const absl::Duration timeout = absl::FromChrono(wire) - absl::Now();
  if (timeout > max_timeout) {
    time_ = now + max_timeout;
    return;
  }
  time_ = now + timeout;
  slack_ = std::max(timeout, absl::ZeroDuration()) / 100 + kTransit;
}

}  // namespace cooper::rpc
