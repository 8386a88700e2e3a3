#ifndef COOPER_SERVER_ENGINE_EXECUTION_PREPARER_H_
#define COOPER_SERVER_ENGINE_EXECUTION_PREPARER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "model/image/codec.h"
#include "model/unified_model.h"
#include "server/engine/core/request.h"
#include "server/engine/execution/decode_budget.h"
#include "server/engine/execution/execution.h"
#include "server/engine/memory/kv_demand.h"
#include "server/engine/program/program.h"
#include "server/engine/schedule/least_work.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// A request that can run.
struct PreparedRequest {
  // All but the noise, which is the engine's.
  ExecutionSpec spec;
  int64_t kv_tokens = 0;        // KvDemand
  int64_t least_positions = 0;  // PositionDemand::least
  LeastWork least;
  int images = 0;
  SessionFacts facts;  // of the session, after this turn of it
};

// Makes a request ready: decodes and resizes its images, encodes its texts,
// writes its program. Runs on the prepare pool; thread-safe.
class Preparer {
 public:
  // All outlive it. `decode_bytes`: EngineOptions.
  Preparer(const model::UnifiedModel* model, metrics::ServerMetrics* metrics,
           const base::Clock* clock, image::DecodeLimits limits,
           int64_t decode_bytes);

  // Takes the inputs out of `request` and frees their bytes. INVALID_ARGUMENT
  // INVALID_IMAGE names the field; blocks for the pixels, and before them until
  // there is memory to decode them in.
  absl::StatusOr<PreparedRequest> Prepare(Request* request) const;

 private:
  using Text = std::shared_ptr<const EncodedText>;

  absl::Status Refuse(const ImageInput& input,
                      const absl::Status& refusal) const;
  absl::StatusOr<PreparedImage> PrepareImage(ImageInput input,
                                             bool latents) const;
  Text Encode(std::string text, TextOrigin origin) const;
  Text Fixed(const std::string& text) const;

  const model::UnifiedModel* const model_;
  metrics::ServerMetrics* const metrics_;
  const base::Clock* const clock_;
  const image::DecodeLimits limits_;
  const std::shared_ptr<DecodeBudget> budget_;  // of all copies together
  std::vector<Text> fixed_;  // the model's prompts, encoded once
};

// The size of maps where no image says it: the largest square.
image::Size FullMapSize(const model::ModelInfo& info);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_PREPARER_H_
