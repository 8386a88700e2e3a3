#include "server/rpc/call_end.h"

#include <exception>

#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "server/engine/core/end_status.h"
#include "server/engine/core/error.h"
#include "server/rpc/call_log.h"
#include "server/rpc/status.h"
#include "server/rpc/trace.h"

namespace cooper::rpc {

absl::Status CatchAll(absl::FunctionRef<absl::Status()> work) {
  try {
    return work();
  } catch (const std::exception& exception) {
    base::Log(base::LogLevel::kError, "exception in a handler",
              {{"what", exception.what()}});
    engine::ErrorDetails details;
    details.reason = engine::ErrorReason::kEngine;
    return engine::MakeError(details, "internal error");
  }
}

grpc::Status EndCall(const absl::Status& end, absl::Time started,
                     const StreamEnvironment& environment,
                     engine::Method method,
                     grpc::CallbackServerContext* context) {
  if (const auto pushback = RetryPushbackMs(end)) {
    context->AddTrailingMetadata("grpc-retry-pushback-ms",
                                 absl::StrCat(*pushback));
  }
  const grpc::Status status = ToGrpcStatus(end);
  const absl::Duration duration = environment.clock->Now() - started;
  CountEnd(end, method, environment.metrics);
  environment.metrics->RpcFinished(method, status.error_code(), duration);
  if (!end.ok()) {
    LogCall(method, end, {"", "", TraceIdOf(*context)}, *context, duration);
  }
  return status;
}

absl::Status CheckMemory(const StreamEnvironment& environment) {
  if (environment.memory->sheds()) {
    return engine::ErrorStatus(engine::ErrorReason::kMemoryPressure,
                               "the server's memory is nearly full");
  }
  if (!environment.answers->nearly_full()) return absl::OkStatus();
  return engine::ErrorStatus(
      engine::ErrorReason::kMemoryPressure,
      "answers that callers do not read fill the server's memory");
}

absl::Status RequestIncomplete(absl::Duration timeout) {
  engine::ErrorDetails details;
  details.reason = engine::ErrorReason::kDeadline;
  details.phase = engine::Phase::kQueue;
  return engine::MakeError(
      details, absl::StrCat("the request message was not complete within ",
                            absl::FormatDuration(timeout)));
}

absl::Status NoRequest(const grpc::CallbackServerContext& context,
                       engine::CancelCause gone) {
  if (gone != engine::CancelCause::kNone) {
    return CancelledError(gone, engine::Phase::kQueue);
  }
  if (context.IsCancelled()) {
    return CancelledError(engine::CancelCause::kClient, engine::Phase::kQueue);
  }
  return engine::InvalidField("request", "the request message is missing");
}

}  // namespace cooper::rpc
