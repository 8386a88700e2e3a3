#ifndef COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_OBSERVER_H_
#define COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_OBSERVER_H_

#include <memory>
#include <optional>

#include "model/image/image.h"
#include "server/engine/core/event.h"
#include "server/engine/execution/drawn_map.h"

namespace cooper::engine {

// Receives what an Execution does, in order, on the thread that drives it.
class ExecutionObserver {
 public:
  virtual ~ExecutionObserver() = default;
  virtual void OnTextDelta(TextDeltaEvent&& delta) {}
  // A token was chosen (not: eos, or one beyond the limit).
  virtual void OnToken(int turn) {}
  virtual void OnMapStarted(MapStartedEvent&& started) {}
  // `preview`: what the map would be, where one is due.
  virtual void OnMapStep(int map_id, int step, int num_steps,
                         std::optional<image::FloatRgbImage>&& preview) {}
  virtual void OnMapDrawn(const std::shared_ptr<const DrawnMap>& map) {}
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_OBSERVER_H_
