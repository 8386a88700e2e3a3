#include "server/rpc/trace.h"

#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/engine/core/error.h"
#include "server/rpc/call_log.h"
#include "server/rpc/metadata.h"
#include "server/tracing/trace_context.h"

namespace cooper::rpc {
namespace {

constexpr char kHeader[] = "traceparent";

// What the convention for servers counts as an error: not what is the caller's
// affair.
bool IsServersFault(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string TraceIdOf(const grpc::CallbackServerContext& context) {
  const auto caller = tracing::ParseTraceparent(SingleValue(context, kHeader));
  return caller.has_value() ? caller->trace_id : "";
}

std::shared_ptr<tracing::CallTrace> BeginTrace(
    const tracing::Tracer* tracer, const grpc::CallbackServerContext& context,
    engine::Method method) {
  if (tracer == nullptr) return nullptr;
  return tracer->Begin(SingleValue(context, kHeader),
                       engine::FullMethodName(method));
}

void EndTrace(tracing::CallTrace* trace, const absl::Status& end,
              absl::Time now) {
  if (trace == nullptr) return;
  std::vector<tracing::Attribute> attributes = {
      {"rpc.grpc.status_code", static_cast<int64_t>(end.raw_code())}};
  if (!end.ok()) {
    attributes.emplace_back("error.type",
                            engine::ReasonName(engine::DetailsOf(end).reason));
  }
  const bool failed = IsServersFault(end.code());
  trace->End(now, failed, failed ? end.message() : "", std::move(attributes));
}

}  // namespace cooper::rpc
