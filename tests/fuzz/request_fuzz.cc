// Requests as they come from the wire, to the engine's form or a refusal. An
// input is read as each kind of request.
#include <prometheus/registry.h>

#include <cmath>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "base/check.h"
#include "cooper/v1/spatial_reasoning.pb.h"
#include "model/unified_model.h"
#include "server/engine/core/error.h"
#include "server/engine/core/request.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/limits.h"
#include "server/rpc/message.h"
#include "server/rpc/request_parser.h"
#include "server/rpc/status.h"
#include "tests/fuzz/fuzz_target.h"

namespace cooper::fuzz {
namespace {

rpc::RpcLimits Limits() {
  rpc::RpcLimits limits;
  limits.max_text_bytes = 1000;
  limits.max_think_tokens = 5000;
  return limits;
}

struct Environment {
  Environment() { info.name = "cooper"; }
  model::ModelInfo info;
  rpc::RpcLimits limits = Limits();
  image::DecodeLimits image_limits{.max_pixels = int64_t{1} << 18};
  prometheus::Registry registry;
  metrics::ServerMetrics metrics{&registry};
  rpc::RequestParser parser{&info, &limits, &image_limits, &metrics};
};

// One of the two codes, with a reason, and fit to be sent.
void CheckRefusal(const absl::Status& status) {
  const engine::ErrorReason reason = engine::DetailsOf(status).reason;
  if (status.code() == absl::StatusCode::kNotFound) {
    COOPER_CHECK(reason == engine::ErrorReason::kModelNotFound);
  } else {
    COOPER_CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    COOPER_CHECK(reason == engine::ErrorReason::kInvalidArgument ||
                 reason == engine::ErrorReason::kInvalidImage);
  }
  COOPER_CHECK(!engine::DetailsOf(status).field.empty());
  const grpc::Status wire = rpc::ToGrpcStatus(status);
  COOPER_CHECK(static_cast<int>(wire.error_code()) ==
               static_cast<int>(status.code()));
  for (const char c : wire.error_message()) {
    COOPER_CHECK(!absl::ascii_iscntrl(static_cast<unsigned char>(c)));
  }
}

bool InRange(double value, double low, double high) {
  return value >= low && value <= high;  // false for NaN
}

// The ranges that the proto states; the engine relies on them.
void CheckTaken(const engine::Request& request, const rpc::RpcLimits& limits) {
  COOPER_CHECK(!request.id.empty() && request.id.size() <= 128);
  const model::FlowOptions& flow = request.flow;
  COOPER_CHECK(InRange(flow.num_timesteps, 2, 1000));
  COOPER_CHECK(InRange(flow.timestep_shift, 0.01, 100));
  COOPER_CHECK(InRange(flow.cfg_text_scale, 0, 100));
  COOPER_CHECK(InRange(flow.cfg_img_scale, 0, 100));
  COOPER_CHECK(InRange(flow.cfg_interval_low, 0, flow.cfg_interval_high));
  COOPER_CHECK(InRange(flow.cfg_interval_high, 0, 1));
  COOPER_CHECK(InRange(flow.cfg_renorm_min, 0, 1));
  COOPER_CHECK(InRange(request.sampling.temperature, 0, 100));
  COOPER_CHECK(request.sampling.top_p > 0 && request.sampling.top_p <= 1);
  COOPER_CHECK(InRange(request.output.preview_every, 0, 1000));
  COOPER_CHECK(InRange(request.max_think_tokens, 2, limits.max_think_tokens));
  int images = 0;
  int64_t text_bytes = 0;
  for (const engine::Input& input : request.inputs) {
    if (const auto* text = std::get_if<engine::TextInput>(&input)) {
      text_bytes += static_cast<int64_t>(text->text.size());
    } else {
      ++images;
    }
  }
  COOPER_CHECK(!request.inputs.empty());
  COOPER_CHECK(images <= limits.max_images);
  COOPER_CHECK(text_bytes <= limits.max_text_bytes);
}

template <typename Wire>
void CheckRequest(absl::string_view bytes) {
  static const Environment* const environment = new Environment;
  Wire wire;
  const grpc::Slice slice(bytes.data(), bytes.size());
  const absl::Status parsed =
      rpc::ParseMessage(grpc::ByteBuffer(&slice, 1), {}, &wire);
  if (!parsed.ok()) return CheckRefusal(parsed);
  const auto request = environment->parser.Parse(wire);
  if (request.ok()) {
    CheckTaken(*request, environment->limits);
  } else {
    CheckRefusal(request.status());
  }
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  CheckRequest<v1::ReasonRequest>(bytes);
  CheckRequest<v1::EstimateDepthRequest>(bytes);
  CheckRequest<v1::SegmentRequest>(bytes);
  CheckRequest<v1::GenerateImageRequest>(bytes);
}

}  // namespace cooper::fuzz
