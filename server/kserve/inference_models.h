#ifndef COOPER_SERVER_KSERVE_INFERENCE_MODELS_H_
#define COOPER_SERVER_KSERVE_INFERENCE_MODELS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "inference/grpc_service.pb.h"
#include "model/unified_model.h"

// The models that the KServe protocol shows: the served model once for each
// thing it does (docs/kserve.md).

namespace cooper::kserve {

enum class InferenceTask { kReason, kDepth, kSegmentation };

// A tensor that a model takes or gives.
struct InferenceTensor {
  const char* name;
  const char* datatype;        // "BYTES", "FP32", "UINT8"
  std::vector<int64_t> shape;  // -1: any
  bool optional = false;       // an input that may be left out
  bool usual = true;           // an output that comes unasked
  // An input of image files that is also taken as pixels, datatype UINT8 and
  // shape [height, width, 3], with or without a leading side of `shape`.
  bool pixels = false;
};

struct InferenceModel {
  InferenceTask task = InferenceTask::kReason;
  const char* suffix = "";  // behind the served model's name
  std::vector<InferenceTensor> inputs;
  std::vector<InferenceTensor> outputs;

  // ModelStreamInfer gives several responses to a request.
  bool decoupled() const { return task == InferenceTask::kReason; }
};

// All of them, the reasoning one first.
absl::Span<const InferenceModel> InferenceModels();

// The only version of every model.
inline constexpr char kInferenceVersion[] = "1";

// The model of that name, where `info` is the served one's. `version` may be
// empty. NOT_FOUND: another name or version.
absl::StatusOr<const InferenceModel*> FindInferenceModel(
    absl::string_view name, absl::string_view version,
    const model::ModelInfo& info);

inference::ModelMetadataResponse MakeInferenceMetadata(
    const InferenceModel& model, const std::string& name);
inference::ModelConfigResponse MakeInferenceConfig(const InferenceModel& model,
                                                   const std::string& name);

}  // namespace cooper::kserve

#endif  // COOPER_SERVER_KSERVE_INFERENCE_MODELS_H_
