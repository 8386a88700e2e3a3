#include "server/engine/core/method.h"

#include "absl/strings/str_cat.h"

namespace cooper::engine {
namespace {

constexpr char kCooper[] = "cooper.v1.SpatialReasoningService/";
constexpr char kKserve[] = "inference.GRPCInferenceService/";

struct Row {
  const char* service;
  const char* name;
};

Row RowOf(Method method) {
  switch (method) {
    case Method::kReason:
      return {kCooper, "Reason"};
    case Method::kEstimateDepth:
      return {kCooper, "EstimateDepth"};
    case Method::kSegment:
      return {kCooper, "Segment"};
    case Method::kGenerateImage:
      return {kCooper, "GenerateImage"};
    case Method::kConverse:
      return {kCooper, "Converse"};
    case Method::kGetModel:
      return {kCooper, "GetModel"};
    case Method::kModelInfer:
      return {kKserve, "ModelInfer"};
    case Method::kModelStreamInfer:
      return {kKserve, "ModelStreamInfer"};
    case Method::kInferenceInfo:
      return {kKserve, "InferenceInfo"};
    case Method::kOther:
      break;
  }
  return {"", "other"};
}

}  // namespace

const char* MethodName(Method method) { return RowOf(method).name; }

std::vector<std::string> MethodNames() {
  std::vector<std::string> names;
  for (int i = 0; i < static_cast<int>(Method::kOther); ++i) {
    names.emplace_back(MethodName(static_cast<Method>(i)));
  }
  return names;
}

std::string FullMethodName(Method method) {
  return absl::StrCat(RowOf(method).service, RowOf(method).name);
}

}  // namespace cooper::engine
