#include "server/rpc/health.h"

namespace cooper::rpc {

Health HealthOf(bool ready, const ServingState::Serving* serving,
                absl::Time now, absl::Duration stuck_after) {
  Health health;
  if (serving == nullptr) return health;
  const engine::Engine& engine = *serving->engine;
  health.failed = !engine.healthy();
  const engine::Engine::Load load = engine.load();
  const bool stuck =
      load.running + load.queued > 0 && now - engine.last_step() > stuck_after;
  health.live = !health.failed && !stuck;
  health.serving = ready && health.live;
  return health;
}

}  // namespace cooper::rpc
