#include "server/rpc/status.h"

#include <string>
#include <utility>

#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/logging.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/engine/core/end_status.h"
#include "server/engine/core/error.h"

namespace cooper::rpc {
namespace {

using engine::CancelCause;
using engine::ErrorDetails;
using engine::ErrorReason;
using engine::Phase;

constexpr char kDomain[] = "cooper.v1";
constexpr size_t kMaxMessageBytes = 1000;

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
    case absl::StatusCode::kPermissionDenied:
      return grpc::StatusCode::PERMISSION_DENIED;
    case absl::StatusCode::kUnauthenticated:
      return grpc::StatusCode::UNAUTHENTICATED;
    default:
      return grpc::StatusCode::INTERNAL;
  }
}

std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  if (status.ok()) return std::nullopt;
  return engine::DetailsOf(status).retry_after;
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
  return engine::ReasonName(engine::DetailsOf(status).reason);
}

absl::Status EndOfCancelled(const absl::Status& status, CancelCause cause) {
  const bool ended_early = status.code() == absl::StatusCode::kCancelled ||
                           status.code() == absl::StatusCode::kDeadlineExceeded;
  if (cause == CancelCause::kNone || !ended_early) return status;
  return CancelledError(
      cause, engine::DetailsOf(status).phase.value_or(Phase::kQueue));
}

absl::Status CancelledError(CancelCause cause, Phase phase) {
  return engine::WithPhase(engine::StatusOf(cause), phase);
}

void CountEnd(const absl::Status& status, engine::Method method,
              metrics::ServerMetrics* metrics) {
  if (status.ok()) return;
  const ErrorDetails details = engine::DetailsOf(status);
  // Ended while under way, not refused at the door.
  if (details.reason == ErrorReason::kDraining && details.phase.has_value()) {
    return metrics->Cancelled(method,
                              engine::CancelCauseName(CancelCause::kShutdown),
                              *details.phase);
  }
  const engine::ErrorRow& row = engine::RowOf(details.reason);
  switch (row.end) {
    case engine::EndKind::kRejection:
      return metrics->Rejected(method, row.label);
    case engine::EndKind::kCancellation:
      return metrics->Cancelled(method, row.label,
                                details.phase.value_or(Phase::kQueue));
    case engine::EndKind::kFailure:
      return metrics->Failed(method, row.label);
  }
}

}  // namespace cooper::rpc
