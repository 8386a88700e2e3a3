#ifndef COOPER_SERVER_ENGINE_CORE_METHOD_H_
#define COOPER_SERVER_ENGINE_CORE_METHOD_H_

#include <string>
#include <vector>

namespace cooper::engine {

// The RPC methods that metrics, logs and traces tell apart.
enum class Method {
  kReason,
  kEstimateDepth,
  kSegment,
  kGenerateImage,
  kConverse,
  kGetModel,
  kModelInfer,
  kModelStreamInfer,  // one for each request on a stream, not for the stream
  kInferenceInfo,     // all else of the KServe protocol
  kOther              // unknown methods
};

// "Reason", ...; "other" for kOther. The label value of metrics.
const char* MethodName(Method method);

// The names of all methods but kOther.
std::vector<std::string> MethodNames();

// With its service: "cooper.v1.SpatialReasoningService/Reason".
std::string FullMethodName(Method method);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_CORE_METHOD_H_
