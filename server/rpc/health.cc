#include "server/rpc/health.h"

#include <algorithm>

namespace cooper::rpc {

Health HealthOf(bool ready, const ServingState::Serving* serving,
                absl::Time now, absl::Duration stuck_after,
                absl::Time awake_since) {
  Health health;
  if (serving == nullptr) return health;
  const engine::Engine& engine = *serving->engine;
  health.failed = !engine.healthy();
  const engine::Engine::Load load = engine.load();
  health.stuck = load.running + load.queued > 0 &&
                 now - std::max(engine.last_step(), awake_since) > stuck_after;
  health.live = !health.failed && !health.stuck;
  health.serving = ready && health.live;
  return health;
}

}  // namespace cooper::rpc
