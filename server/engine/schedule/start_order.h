#ifndef COOPER_SERVER_ENGINE_SCHEDULE_START_ORDER_H_
#define COOPER_SERVER_ENGINE_SCHEDULE_START_ORDER_H_

#include <optional>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/engine/core/request.h"

namespace cooper::engine {

struct StartCandidate {
  int index = 0;  // the caller's number
  Priority priority = Priority::kNormal;
  absl::Duration waited;  // since admission
  absl::Duration lead;    // FairShare's, of its client
};

// Affects behaviour.
struct StartRules {
  // Requests of low priority start when no normal one waits; those that waited
  // for so long also after this many normal ones.
  absl::Duration low_patience = absl::Minutes(1);
  int normal_per_low = 8;
  // Of waiting that outweighs one second of lead. So a client that had much
  // waits, but not for ever.
  double wait_per_lead = 10;
};

// Which of the requests that wait starts next: by priority, then whose client
// had least of the device for how long the request has waited, then who waits
// longest. `normal_since_low`: normal ones that were started since one of low
// priority was. nullopt: there is none. Pure.
std::optional<int> NextToStart(absl::Span<const StartCandidate> candidates,
                               int normal_since_low,
                               const StartRules& rules = {});

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_SCHEDULE_START_ORDER_H_
