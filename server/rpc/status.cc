#include "server/rpc/status.h"

#include <string>
#include <utility>

#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/base/logging.h"
#include "server/engine/error.h"

namespace cooper::rpc {
namespace {

using engine::CancelCause;
using engine::ErrorDetails;
using engine::ErrorReason;
using metrics::CancelPhase;

constexpr char kDomain[] = "cooper.v1";
constexpr size_t kMaxMessageBytes = 1000;
constexpr absl::Duration kDefaultRetry = absl::Seconds(1);

// Codes that the engine knows nothing of, since they never reach it.
bool IsOwnCode(absl::StatusCode code) {
  return code == absl::StatusCode::kUnauthenticated ||
         code == absl::StatusCode::kUnimplemented;
}

grpc::StatusCode ToGrpcCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return grpc::StatusCode::OK;
    case absl::StatusCode::kCancelled:
      return grpc::StatusCode::CANCELLED;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case absl::StatusCode::kDeadlineExceeded:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    case absl::StatusCode::kNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case absl::StatusCode::kResourceExhausted:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case absl::StatusCode::kFailedPrecondition:
      return grpc::StatusCode::FAILED_PRECONDITION;
    case absl::StatusCode::kUnimplemented:
      return grpc::StatusCode::UNIMPLEMENTED;
    case absl::StatusCode::kUnavailable:
      return grpc::StatusCode::UNAVAILABLE;
    case absl::StatusCode::kUnauthenticated:
      return grpc::StatusCode::UNAUTHENTICATED;
    default:
      return grpc::StatusCode::INTERNAL;
  }
}

std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  if (status.ok() || IsOwnCode(status.code())) return std::nullopt;
  const ErrorDetails details = engine::DetailsOf(status);
  if (details.retry_after.has_value()) return details.retry_after;
  switch (details.reason) {
    case ErrorReason::kQueueFull:
    case ErrorReason::kClientLimit:
    case ErrorReason::kQueueTimeout:
    case ErrorReason::kMemoryPressure:
    case ErrorReason::kGpuMemory:
    case ErrorReason::kLoading:
    case ErrorReason::kDraining:
    case ErrorReason::kEngineFailed:
      return kDefaultRetry;
    default:
      return std::nullopt;
  }
}

metrics::CancelCause ToMetric(CancelCause cause) {
  switch (cause) {
    case CancelCause::kDeadline:
      return metrics::CancelCause::kDeadline;
    case CancelCause::kStall:
      return metrics::CancelCause::kStall;
    case CancelCause::kShutdown:
      return metrics::CancelCause::kShutdown;
    case CancelCause::kNone:
    case CancelCause::kClient:
    case CancelCause::kDisconnect:
      return metrics::CancelCause::kClient;
  }
  return metrics::CancelCause::kClient;
}

absl::Status MakeCancelled(ErrorReason reason, CancelPhase phase,
                           absl::string_view message) {
  ErrorDetails details;
  details.reason = reason;
  details.phase = phase;
  return engine::MakeError(details, message);
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const grpc::StatusCode code = ToGrpcCode(status.code());
  const std::string message =
      base::Printable(status.message(), kMaxMessageBytes);
  google::rpc::Status wire;
  wire.set_code(code);
  wire.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(ReasonOf(status));
  info.set_domain(kDomain);
  wire.add_details()->PackFrom(info);
  if (code == grpc::StatusCode::INVALID_ARGUMENT) {
    const std::string field = engine::DetailsOf(status).field;
    if (!field.empty()) {
      google::rpc::BadRequest bad_request;
      auto* violation = bad_request.add_field_violations();
      violation->set_field(field);
      absl::string_view description = message;
      if (absl::ConsumePrefix(&description, field)) {
        absl::ConsumePrefix(&description, ": ");
      }
      violation->set_description(std::string(description));
      wire.add_details()->PackFrom(bad_request);
    }
  }
  if (const auto retry_after = RetryAfter(status)) {
    google::rpc::RetryInfo retry;
    const int64_t millis = absl::ToInt64Milliseconds(*retry_after);
    retry.mutable_retry_delay()->set_seconds(millis / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(millis % 1000) *
                                           1000000);
    wire.add_details()->PackFrom(retry);
  }
  return grpc::Status(code, message, wire.SerializeAsString());
}

std::optional<int64_t> RetryPushbackMs(const absl::Status& status) {
  const auto retry_after = RetryAfter(status);
  if (!retry_after.has_value()) return std::nullopt;
  return absl::ToInt64Milliseconds(*retry_after);
}

const char* ReasonOf(const absl::Status& status) {
  if (status.ok()) return "OK";
  if (status.code() == absl::StatusCode::kUnauthenticated) {
    return "UNAUTHENTICATED";
  }
  if (status.code() == absl::StatusCode::kUnimplemented) {
    return "UNIMPLEMENTED";
  }
  return engine::ReasonName(engine::DetailsOf(status).reason);
}

absl::Status EndOfCancelled(const absl::Status& status, CancelCause cause) {
  const bool ended_early = status.code() == absl::StatusCode::kCancelled ||
                           status.code() == absl::StatusCode::kDeadlineExceeded;
  if (cause == CancelCause::kNone || !ended_early) return status;
  return CancelledError(
      cause, engine::DetailsOf(status).phase.value_or(CancelPhase::kQueue));
}

absl::Status CancelledError(CancelCause cause, CancelPhase phase) {
  switch (cause) {
    case CancelCause::kDeadline:
      return MakeCancelled(ErrorReason::kDeadline, phase,
                           "the deadline passed");
    case CancelCause::kStall:
      return MakeCancelled(ErrorReason::kSlowReader, phase,
                           "the reader stalled for too long");
    case CancelCause::kShutdown:
      return MakeCancelled(ErrorReason::kDraining, phase,
                           "the server is shutting down");
    case CancelCause::kNone:
    case CancelCause::kClient:
    case CancelCause::kDisconnect:
      break;
  }
  return MakeCancelled(ErrorReason::kCancelled, phase,
                       "the caller cancelled or went away");
}

void CountEnd(const absl::Status& status, metrics::Method method,
              metrics::ServerMetrics* metrics) {
  using metrics::Error;
  using metrics::Rejection;
  if (status.ok()) return;
  if (status.code() == absl::StatusCode::kUnauthenticated) {
    return metrics->Rejected(method, Rejection::kUnauthenticated);
  }
  if (status.code() == absl::StatusCode::kUnimplemented) {
    return metrics->Rejected(method, Rejection::kUnimplemented);
  }
  const ErrorDetails details = engine::DetailsOf(status);
  const CancelPhase phase = details.phase.value_or(CancelPhase::kQueue);
  switch (details.reason) {
    case ErrorReason::kInvalidArgument:
    case ErrorReason::kInvalidImage:
    case ErrorReason::kTooManyPositions:
      return metrics->Rejected(method, Rejection::kInvalidArgument);
    case ErrorReason::kModelNotFound:
    case ErrorReason::kSessionNotFound:
      return metrics->Rejected(method, Rejection::kNotFound);
    case ErrorReason::kSessionBusy:
      return metrics->Rejected(method, Rejection::kSessionBusy);
    case ErrorReason::kUnsupported:
      return metrics->Rejected(method, Rejection::kUnsupported);
    case ErrorReason::kQueueFull:
      return metrics->Rejected(method, Rejection::kQueueFull);
    case ErrorReason::kClientLimit:
      return metrics->Rejected(method, Rejection::kClientLimit);
    case ErrorReason::kQueueTimeout:
      return metrics->Rejected(method, Rejection::kQueueTimeout);
    case ErrorReason::kMemoryPressure:
    case ErrorReason::kContextTooLarge:
      return metrics->Rejected(method, Rejection::kMemoryPressure);
    case ErrorReason::kLoading:
      return metrics->Rejected(method, Rejection::kLoading);
    case ErrorReason::kDraining:
      // Refused at the door, or ended while under way.
      if (!details.phase.has_value()) {
        return metrics->Rejected(method, Rejection::kDraining);
      }
      return metrics->Cancelled(method, metrics::CancelCause::kShutdown, phase);
    case ErrorReason::kDeadline:
    case ErrorReason::kDeadlineTooShort:
      return metrics->Cancelled(method, ToMetric(CancelCause::kDeadline),
                                phase);
    case ErrorReason::kCancelled:
      return metrics->Cancelled(method, ToMetric(CancelCause::kClient), phase);
    case ErrorReason::kSlowReader:
      return metrics->Cancelled(method, ToMetric(CancelCause::kStall), phase);
    case ErrorReason::kGpuMemory:
      return metrics->Failed(method, Error::kGpuMemory);
    case ErrorReason::kNumeric:
      return metrics->Failed(method, Error::kNumeric);
    case ErrorReason::kEncode:
      return metrics->Failed(method, Error::kEncode);
    case ErrorReason::kEngine:
    case ErrorReason::kEngineFailed:
      return metrics->Failed(method, Error::kEngine);
  }
  metrics->Failed(method, Error::kInternal);
}

}  // namespace cooper::rpc
