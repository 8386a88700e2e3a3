#include "server/engine/core/error.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cooper::engine {
namespace {

constexpr char kPayload[] = "cooper.engine/ErrorDetails";

constexpr absl::Duration kNever = absl::ZeroDuration();
constexpr absl::Duration kSoon = absl::Seconds(1);

using absl::StatusCode;

constexpr ErrorRow kRows[] = {
    {ErrorReason::kInvalidArgument, StatusCode::kInvalidArgument,
     "INVALID_ARGUMENT", kNever, EndKind::kRejection, "invalid_argument"},
    {ErrorReason::kInvalidImage, StatusCode::kInvalidArgument, "INVALID_IMAGE",
     kNever, EndKind::kRejection, "invalid_argument"},
    {ErrorReason::kTooManyPositions, StatusCode::kInvalidArgument,
     "CONTEXT_TOO_LARGE", kNever, EndKind::kRejection, "invalid_argument"},
    {ErrorReason::kModelNotFound, StatusCode::kNotFound, "MODEL_NOT_FOUND",
     kNever, EndKind::kRejection, "not_found"},
    {ErrorReason::kSessionNotFound, StatusCode::kNotFound, "SESSION_NOT_FOUND",
     kNever, EndKind::kRejection, "not_found"},
    {ErrorReason::kSessionBusy, StatusCode::kFailedPrecondition, "SESSION_BUSY",
     kNever, EndKind::kRejection, "session_busy"},
    {ErrorReason::kUnsupported, StatusCode::kFailedPrecondition, "UNSUPPORTED",
     kNever, EndKind::kRejection, "unsupported"},
    {ErrorReason::kUnauthenticated, StatusCode::kUnauthenticated,
     "UNAUTHENTICATED", kNever, EndKind::kRejection, "unauthenticated"},
    {ErrorReason::kPermissionDenied, StatusCode::kPermissionDenied,
     "PERMISSION_DENIED", kNever, EndKind::kRejection, "permission_denied"},
    {ErrorReason::kUnimplemented, StatusCode::kUnimplemented, "UNIMPLEMENTED",
     kNever, EndKind::kRejection, "unimplemented"},
    {ErrorReason::kQueueFull, StatusCode::kResourceExhausted, "QUEUE_FULL",
     kSoon, EndKind::kRejection, "queue_full"},
    {ErrorReason::kClientLimit, StatusCode::kResourceExhausted, "CLIENT_LIMIT",
     kSoon, EndKind::kRejection, "client_limit"},
    {ErrorReason::kQueueTimeout, StatusCode::kResourceExhausted,
     "QUEUE_TIMEOUT", kSoon, EndKind::kRejection, "queue_timeout"},
    {ErrorReason::kMemoryPressure, StatusCode::kResourceExhausted,
     "MEMORY_PRESSURE", kSoon, EndKind::kRejection, "memory_pressure"},
    {ErrorReason::kMessageTooLarge, StatusCode::kResourceExhausted,
     "MESSAGE_TOO_LARGE", kNever, EndKind::kRejection, "message_too_large"},
    {ErrorReason::kContextTooLarge, StatusCode::kResourceExhausted,
     "CONTEXT_TOO_LARGE", kNever, EndKind::kRejection, "memory_pressure"},
    {ErrorReason::kGpuMemory, StatusCode::kResourceExhausted, "GPU_MEMORY",
     kSoon, EndKind::kFailure, "gpu_memory"},
    {ErrorReason::kLoading, StatusCode::kUnavailable, "LOADING", kSoon,
     EndKind::kRejection, "loading"},
    {ErrorReason::kDraining, StatusCode::kUnavailable, "DRAINING", kSoon,
     EndKind::kRejection, "draining"},
    {ErrorReason::kEngineFailed, StatusCode::kUnavailable, "ENGINE_FAILED",
     kSoon, EndKind::kFailure, "engine"},
    {ErrorReason::kDeadline, StatusCode::kDeadlineExceeded, "DEADLINE", kNever,
     EndKind::kCancellation, "deadline"},
    {ErrorReason::kDeadlineTooShort, StatusCode::kDeadlineExceeded,
     "DEADLINE_TOO_SHORT", kNever, EndKind::kCancellation, "deadline"},
    {ErrorReason::kCancelled, StatusCode::kCancelled, "CANCELLED", kNever,
     EndKind::kCancellation, "client"},
    {ErrorReason::kSlowReader, StatusCode::kCancelled, "SLOW_READER", kNever,
     EndKind::kCancellation, "stall"},
    {ErrorReason::kEngine, StatusCode::kInternal, "ENGINE", kNever,
     EndKind::kFailure, "engine"},
    {ErrorReason::kNumeric, StatusCode::kInternal, "NUMERIC", kNever,
     EndKind::kFailure, "numeric"},
    {ErrorReason::kEncode, StatusCode::kInternal, "ENCODE", kNever,
     EndKind::kFailure, "encode"},
};

// "reason;retry ns or empty;phase or empty;field".
absl::Cord Pack(const ErrorDetails& details) {
  std::string packed = absl::StrCat(static_cast<int>(details.reason), ";");
  if (details.retry_after.has_value()) {
    absl::StrAppend(&packed, absl::ToInt64Nanoseconds(*details.retry_after));
  }
  packed += ';';
  if (details.phase.has_value()) {
    absl::StrAppend(&packed, static_cast<int>(*details.phase));
  }
  absl::StrAppend(&packed, ";", details.field);
  return absl::Cord(packed);
}

ErrorDetails Unpack(const absl::Cord& payload) {
  const std::vector<std::string> parts =
      absl::StrSplit(std::string(payload), absl::MaxSplits(';', 3));
  ErrorDetails details;
  int number = 0;
  int64_t nanoseconds = 0;
  if (parts.size() != 4) return details;
  if (absl::SimpleAtoi(parts[0], &number)) {
    details.reason = static_cast<ErrorReason>(number);
  }
  if (absl::SimpleAtoi(parts[1], &nanoseconds)) {
    details.retry_after = absl::Nanoseconds(nanoseconds);
  }
  if (absl::SimpleAtoi(parts[2], &number)) {
    details.phase = static_cast<Phase>(number);
  }
  details.field = parts[3];
  return details;
}

// For a status that the engine did not make.
ErrorReason ReasonOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return ErrorReason::kInvalidArgument;
    case absl::StatusCode::kNotFound:
      return ErrorReason::kModelNotFound;
    case absl::StatusCode::kFailedPrecondition:
      return ErrorReason::kUnsupported;
    case absl::StatusCode::kUnimplemented:
      return ErrorReason::kUnimplemented;
    case absl::StatusCode::kUnauthenticated:
      return ErrorReason::kUnauthenticated;
    case absl::StatusCode::kResourceExhausted:
      return ErrorReason::kMemoryPressure;
    case absl::StatusCode::kUnavailable:
      return ErrorReason::kEngineFailed;
    case absl::StatusCode::kDeadlineExceeded:
      return ErrorReason::kDeadline;
    case absl::StatusCode::kCancelled:
      return ErrorReason::kCancelled;
    default:
      return ErrorReason::kEngine;
  }
}

}  // namespace

absl::Span<const ErrorRow> ErrorTable() { return kRows; }

const ErrorRow& RowOf(ErrorReason reason) {
  return kRows[static_cast<size_t>(reason)];
}

absl::Status MakeError(const ErrorDetails& details, absl::string_view message) {
  absl::Status status(RowOf(details.reason).code, message);
  status.SetPayload(kPayload, Pack(details));
  return status;
}

absl::Status InvalidField(absl::string_view field, absl::string_view message) {
  ErrorDetails details;
  details.reason = ErrorReason::kInvalidArgument;
  details.field = std::string(field);
  return MakeError(details, absl::StrCat(field, ": ", message));
}

absl::Status WithPhase(const absl::Status& status, Phase phase) {
  if (status.ok()) return status;
  ErrorDetails details = DetailsOf(status);
  details.phase = phase;
  absl::Status out = status;
  out.SetPayload(kPayload, Pack(details));
  return out;
}

ErrorDetails DetailsOf(const absl::Status& status) {
  ErrorDetails details;
  if (const auto payload = status.GetPayload(kPayload)) {
    details = Unpack(*payload);
  } else {
    details.reason = ReasonOf(status.code());
  }
  const absl::Duration retry_after = RowOf(details.reason).retry_after;
  if (!details.retry_after.has_value() && !status.ok() &&
      retry_after > absl::ZeroDuration()) {
    details.retry_after = retry_after;
  }
  return details;
}

const char* ReasonName(ErrorReason reason) { return RowOf(reason).name; }

}  // namespace cooper::engine
