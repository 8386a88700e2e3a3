#ifndef COOPER_SERVER_RPC_REQUEST_PARSER_H_
#define COOPER_SERVER_RPC_REQUEST_PARSER_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cooper/v1/spatial_reasoning.pb.h"
#include "model/image/codec.h"
#include "model/unified_model.h"
#include "server/engine/core/request.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/limits.h"

namespace cooper::rpc {

// Wire requests to engine requests: checks every field, fills every default
// from the model, draws what is left to the server (seed, id). Reads headers of
// images, decodes none.
//
// Errors are the engine's (engine::MakeError) with the path of the wire field:
// INVALID_ARGUMENT, and NOT_FOUND for another model's name. A refused image is
// counted in the metrics by its reason.
//
// Thread-safe; keeps no state. What it is given must outlive it. Deadline,
// trace id and cancel token are not its affair. `image_limits` hold for each
// image; max_pixels also bounds the sum over a request.
class RequestParser {
 public:
  RequestParser(const model::ModelInfo* info, const RpcLimits* limits,
                const image::DecodeLimits* image_limits,
                metrics::ServerMetrics* metrics)
      : info_(*info),
        limits_(*limits),
        image_limits_(*image_limits),
        metrics_(*metrics) {}

  absl::StatusOr<engine::Request> Parse(const v1::ReasonRequest& wire) const;
  absl::StatusOr<engine::Request> Parse(
      const v1::EstimateDepthRequest& wire) const;
  absl::StatusOr<engine::Request> Parse(const v1::SegmentRequest& wire) const;
  absl::StatusOr<engine::Request> Parse(
      const v1::GenerateImageRequest& wire) const;

  // All but the inputs, which the request leaves empty.
  absl::StatusOr<engine::Request> ParseOptions(
      const v1::ReasonRequest& wire) const;
  absl::StatusOr<engine::Request> ParseOptions(
      const v1::EstimateDepthRequest& wire) const;
  absl::StatusOr<engine::Request> ParseOptions(
      const v1::SegmentRequest& wire) const;

  // As the inputs of a question.
  absl::StatusOr<std::vector<engine::Input>> ParseInputs(
      const google::protobuf::RepeatedPtrField<v1::Input>& wire) const;

  // NOT_FOUND unless `name` is empty or the served model's.
  absl::Status CheckModel(absl::string_view name) const;

 private:
  // Both single-image RPCs have the same fields.
  template <typename Wire>
  absl::StatusOr<engine::Request> ParseMapOptions(const Wire& wire,
                                                  engine::Method method,
                                                  model::MapKind kind) const;
  template <typename Wire>
  absl::StatusOr<engine::Request> ParseMap(const Wire& wire) const;

  const model::ModelInfo& info_;
  const RpcLimits& limits_;
  const image::DecodeLimits& image_limits_;
  metrics::ServerMetrics& metrics_;
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_REQUEST_PARSER_H_
