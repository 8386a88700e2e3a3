#include "server/rpc/call_log.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/logging.h"
#include "server/engine/error.h"
#include "server/rpc/status.h"

namespace cooper::rpc {
namespace {

base::LogLevel LevelOf(const absl::Status& end) {
  switch (end.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return base::LogLevel::kError;
    case absl::StatusCode::kUnavailable:
      // A client that polls while the model is loaded is nothing to warn of.
      return engine::DetailsOf(end).reason == engine::ErrorReason::kLoading
                 ? base::LogLevel::kInfo
                 : base::LogLevel::kWarning;
    case absl::StatusCode::kResourceExhausted:
      return base::LogLevel::kWarning;
    default:
      return base::LogLevel::kInfo;
  }
}

}  // namespace

const char* MethodName(metrics::Method method) {
  switch (method) {
    case metrics::Method::kReason:
      return "Reason";
    case metrics::Method::kEstimateDepth:
      return "EstimateDepth";
    case metrics::Method::kSegment:
      return "Segment";
    case metrics::Method::kGenerateImage:
      return "GenerateImage";
    case metrics::Method::kConverse:
      return "Converse";
    case metrics::Method::kGetModel:
      return "GetModel";
    case metrics::Method::kModelInfer:
      return "ModelInfer";
    case metrics::Method::kModelStreamInfer:
      return "ModelStreamInfer";
    case metrics::Method::kInferenceInfo:
      return "InferenceInfo";
    case metrics::Method::kOther:
      return "other";
  }
  return "other";
}

std::string FullMethodName(metrics::Method method) {
  const char* service = "cooper.v1.SpatialReasoningService/";
  switch (method) {
    case metrics::Method::kModelInfer:
    case metrics::Method::kModelStreamInfer:
    case metrics::Method::kInferenceInfo:
      service = "inference.GRPCInferenceService/";
      break;
    case metrics::Method::kOther:
      service = "";
      break;
    default:
      break;
  }
  return absl::StrCat(service, MethodName(method));
}

void LogCall(metrics::Method method, const absl::Status& end,
             const std::string& request_id, const std::string& trace_id,
             absl::Duration duration) {
  std::vector<base::LogField> fields = {
      {"method", MethodName(method)},
      {"code", absl::StatusCodeToString(end.code())},
      {"seconds", absl::ToDoubleSeconds(duration)}};
  if (!request_id.empty()) fields.push_back({"request_id", request_id});
  if (!trace_id.empty()) fields.push_back({"trace_id", trace_id});
  if (!end.ok()) {
    fields.push_back({"reason", ReasonOf(end)});
    if (const auto phase = engine::DetailsOf(end).phase) {
      fields.push_back({"phase", metrics::NameOf(*phase)});
    }
  }
  base::Log(LevelOf(end), "request", fields);
}

}  // namespace cooper::rpc
