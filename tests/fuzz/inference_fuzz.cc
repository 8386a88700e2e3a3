// Requests of the KServe protocol as they come from the wire, to the engine's
// form or a refusal.
#include <prometheus/registry.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "base/check.h"
#include "inference/grpc_service.pb.h"
#include "model/unified_model.h"
#include "server/engine/core/error.h"
#include "server/kserve/inference_parser.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/limits.h"
#include "server/rpc/message.h"
#include "server/rpc/status.h"
#include "tests/fuzz/fuzz_target.h"

namespace cooper::fuzz {
namespace {

struct Environment {
  Environment() { info.name = "cooper"; }
  model::ModelInfo info;
  rpc::RpcLimits limits;
  image::DecodeLimits image_limits{.max_pixels = int64_t{1} << 18};
  prometheus::Registry registry;
  metrics::ServerMetrics metrics{&registry};
  kserve::InferenceParser parser{&info, &limits, &image_limits, &metrics};
};

// A refusal is the caller's fault, and fit to be sent.
void CheckRefusal(const absl::Status& status) {
  COOPER_CHECK(status.code() == absl::StatusCode::kInvalidArgument ||
               status.code() == absl::StatusCode::kNotFound ||
               status.code() == absl::StatusCode::kFailedPrecondition);
  const grpc::Status wire = rpc::ToGrpcStatus(status);
  for (const char c : wire.error_message()) {
    COOPER_CHECK(!absl::ascii_iscntrl(static_cast<unsigned char>(c)));
  }
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  static const Environment* const environment = new Environment;
  const grpc::Slice slice(bytes.data(), bytes.size());
  inference::ModelInferRequest wire;
  const absl::Status parsed =
      rpc::ParseMessage(grpc::ByteBuffer(&slice, 1), {}, &wire);
  if (!parsed.ok()) return CheckRefusal(parsed);
  const auto request = environment->parser.Parse(wire);
  if (!request.ok()) return CheckRefusal(request.status());
  COOPER_CHECK(!request->engine.inputs.empty());
  COOPER_CHECK(!request->engine.id.empty());
}

}  // namespace cooper::fuzz
