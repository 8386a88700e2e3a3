#ifndef COOPER_SERVER_KSERVE_INFERENCE_STATISTICS_H_
#define COOPER_SERVER_KSERVE_INFERENCE_STATISTICS_H_

#include <string>

#include "absl/time/time.h"
#include "inference/grpc_service.pb.h"
#include "server/engine/engine.h"
#include "server/kserve/inference_models.h"

namespace cooper::kserve {

// What became of the requests for a model since the start, whichever protocol
// they came by. A request is one inference and one execution: batches are made
// of steps of several requests, not of requests. `now` is base::Clock's, `wall`
// the same moment on the wall clock.
inference::ModelStatistics MakeInferenceStatistics(const InferenceModel& model,
                                                   const std::string& name,
                                                   const engine::Engine& engine,
                                                   absl::Time now,
                                                   absl::Time wall);

}  // namespace cooper::kserve

#endif  // COOPER_SERVER_KSERVE_INFERENCE_STATISTICS_H_
