#ifndef COOPER_SERVER_KSERVE_INFERENCE_PARSER_H_
#define COOPER_SERVER_KSERVE_INFERENCE_PARSER_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "inference/grpc_service.pb.h"
#include "model/image/codec.h"
#include "model/unified_model.h"
#include "server/engine/core/request.h"
#include "server/kserve/inference_models.h"
#include "server/kserve/inference_tensors.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/limits.h"

namespace cooper::kserve {

// A request of the KServe protocol as the engine sees it, and what its
// response must hold.
struct InferenceRequest {
  const InferenceModel* model = nullptr;
  std::vector<std::string> outputs;  // names, in the order of the response
  bool empty_final = false;          // see kEmptyFinalParameter
  // From the request's arrival on; infinite: the request has none of its own.
  absl::Duration timeout = absl::InfiniteDuration();
  engine::Request engine;  // its method is the caller's affair
};

// The input tensors of a request.
struct InferenceInputs {
  std::vector<absl::string_view> files;  // IMAGE of datatype BYTES
  std::optional<PixelTensor> pixels;     // IMAGE of datatype UINT8
  std::optional<absl::string_view> question;
};

// Tensors and parameters to requests of cooper.v1, and by RequestParser to
// engine requests: the same checks, defaults and limits, with errors that name
// the tensor ("inputs[IMAGE]"), the parameter ("parameters[seed]") or the field
// of ModelInferRequest.
//
// Thread-safe; keeps no state. What it is given must outlive it.
class InferenceParser {
 public:
  InferenceParser(const model::ModelInfo* info, const rpc::RpcLimits* limits,
                  const image::DecodeLimits* image_limits,
                  metrics::ServerMetrics* metrics)
      : info_(*info),
        limits_(*limits),
        image_limits_(*image_limits),
        metrics_(*metrics) {}

  // INVALID_ARGUMENT, NOT_FOUND.
  absl::StatusOr<InferenceRequest> Parse(
      const inference::ModelInferRequest& wire) const;

 private:
  absl::StatusOr<engine::Request> ParseTask(
      const inference::ModelInferRequest& wire,
      const InferenceRequest& request) const;
  // Checks the contents of the tensors.
  absl::StatusOr<std::vector<engine::Input>> MakeInputs(
      InferenceInputs inputs) const;

  const model::ModelInfo& info_;
  const rpc::RpcLimits& limits_;
  const image::DecodeLimits& image_limits_;
  metrics::ServerMetrics& metrics_;
};

}  // namespace cooper::kserve

#endif  // COOPER_SERVER_KSERVE_INFERENCE_PARSER_H_
