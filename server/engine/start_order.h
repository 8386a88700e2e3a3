#ifndef COOPER_SERVER_ENGINE_START_ORDER_H_
#define COOPER_SERVER_ENGINE_START_ORDER_H_

#include <optional>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/engine/request.h"

namespace cooper::engine {

struct StartCandidate {
  int index = 0;  // the caller's number
  Priority priority = Priority::kNormal;
  absl::Duration waited;  // since admission
  absl::Duration lead;    // FairShare's, of its client
};

// Affects behaviour.
struct StartRules {
  // From then on a request of low priority counts as a normal one.
  absl::Duration low_becomes_normal = absl::Seconds(60);
  // Of waiting that outweighs one second of lead. So a client that had much
  // waits, but not for ever.
  double wait_per_lead = 10;
};

// Which of the requests that wait starts next: normal before low priority,
// then whose client had least of the device for how long the request has
// waited, then who waits longest. nullopt: there is none. Pure.
std::optional<int> NextToStart(absl::Span<const StartCandidate> candidates,
                               const StartRules& rules = {});

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_START_ORDER_H_
