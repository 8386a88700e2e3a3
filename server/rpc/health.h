#ifndef COOPER_SERVER_RPC_HEALTH_H_
#define COOPER_SERVER_RPC_HEALTH_H_

#include "absl/time/time.h"
#include "server/rpc/serving_state.h"

namespace cooper::rpc {

// What the health service says.
struct Health {
  bool serving = false;  // "", the service's name and "readiness"
  bool live = true;      // "liveness"
  bool failed = false;   // the engine will never work again
  bool stuck = false;    // the engine has work, but makes no step
  friend bool operator==(const Health&, const Health&) = default;
};

// `ready`: loaded and not draining. Loading and draining are alive. Not alive
// is a failed engine, and one that has work but has not stepped for
// `stuck_after`, of which only the time since `awake_since` counts.
Health HealthOf(bool ready, const ServingState::Serving* serving,
                absl::Time now, absl::Duration stuck_after,
                absl::Time awake_since = absl::InfinitePast());

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_HEALTH_H_
