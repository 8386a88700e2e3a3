#ifndef COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_OBSERVER_H_
#define COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_OBSERVER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "model/unified_model.h"
#include "server/engine/core/event.h"
#include "server/engine/execution/drawn_map.h"
#include "server/engine/program/program.h"

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

// Cache length and rope position of a context.
struct ContextCounters {
  int64_t cache_length = 0;
  int64_t next_position = 0;
};

// For comparing a run with a reference: sees the contexts, and may put texts
// and pictures in place of those that were made. With a probe every segment is
// appended by a call of its own.
class ExecutionProbe {
 public:
  virtual ~ExecutionProbe() = default;
  // Each op of a ContextWork in order, once all are done. For an op whose
  // encoding was shared the counters are those of the sharing branch.
  virtual void OnContextOp(const ContextOp& op, ContextCounters before,
                           ContextCounters after) {}
  // A text in place of decoding; nullopt: decode. `from` is the context.
  virtual std::optional<std::string> ReplaceText(const DecodeWork& work,
                                                 const model::Context& from) {
    return std::nullopt;
  }
  // Before a map's denoiser is started.
  virtual void OnDenoise(const DenoiseWork& work, const model::Context& cond,
                         const model::Context& no_text,
                         const model::Context& no_image) {}
  // After its last step; `decoded` is what its latents decode to.
  virtual void OnDenoiseDone(const DenoiseWork& work,
                             const model::Denoiser& denoiser,
                             const image::FloatRgbImage& decoded) {}
  // May change `map->picture` before the model looks at it.
  virtual void OnPicture(const DenoiseWork& work, DrawnMap* map) {}
  // At FinishWork; branches without a context are null.
  virtual void OnFinish(
      const FinishWork& work,
      const std::array<std::unique_ptr<model::Context>, kBranches>& contexts) {}
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_OBSERVER_H_
