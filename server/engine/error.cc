#include "server/engine/error.h"

#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cooper::engine {
namespace {

constexpr char kPayload[] = "cooper.engine/ErrorDetails";

struct Row {
  ErrorReason reason;
  absl::StatusCode code;
  const char* name;
};
constexpr Row kRows[] = {
    {ErrorReason::kInvalidArgument, absl::StatusCode::kInvalidArgument,
     "INVALID_ARGUMENT"},
    {ErrorReason::kInvalidImage, absl::StatusCode::kInvalidArgument,
     "INVALID_IMAGE"},
    {ErrorReason::kTooManyPositions, absl::StatusCode::kInvalidArgument,
     "CONTEXT_TOO_LARGE"},
    {ErrorReason::kModelNotFound, absl::StatusCode::kNotFound,
     "MODEL_NOT_FOUND"},
    {ErrorReason::kSessionNotFound, absl::StatusCode::kNotFound,
     "SESSION_NOT_FOUND"},
    {ErrorReason::kSessionBusy, absl::StatusCode::kFailedPrecondition,
     "SESSION_BUSY"},
    {ErrorReason::kUnsupported, absl::StatusCode::kFailedPrecondition,
     "UNSUPPORTED"},
    {ErrorReason::kQueueFull, absl::StatusCode::kResourceExhausted,
     "QUEUE_FULL"},
    {ErrorReason::kClientLimit, absl::StatusCode::kResourceExhausted,
     "CLIENT_LIMIT"},
    {ErrorReason::kQueueTimeout, absl::StatusCode::kResourceExhausted,
     "QUEUE_TIMEOUT"},
    {ErrorReason::kMemoryPressure, absl::StatusCode::kResourceExhausted,
     "MEMORY_PRESSURE"},
    {ErrorReason::kContextTooLarge, absl::StatusCode::kResourceExhausted,
     "CONTEXT_TOO_LARGE"},
    {ErrorReason::kGpuMemory, absl::StatusCode::kResourceExhausted,
     "GPU_MEMORY"},
    {ErrorReason::kLoading, absl::StatusCode::kUnavailable, "LOADING"},
    {ErrorReason::kDraining, absl::StatusCode::kUnavailable, "DRAINING"},
    {ErrorReason::kEngineFailed, absl::StatusCode::kUnavailable,
     "ENGINE_FAILED"},
    {ErrorReason::kDeadline, absl::StatusCode::kDeadlineExceeded, "DEADLINE"},
    {ErrorReason::kDeadlineTooShort, absl::StatusCode::kDeadlineExceeded,
     "DEADLINE_TOO_SHORT"},
    {ErrorReason::kCancelled, absl::StatusCode::kCancelled, "CANCELLED"},
    {ErrorReason::kSlowReader, absl::StatusCode::kCancelled, "SLOW_READER"},
    {ErrorReason::kEngine, absl::StatusCode::kInternal, "ENGINE"},
    {ErrorReason::kNumeric, absl::StatusCode::kInternal, "NUMERIC"},
    {ErrorReason::kEncode, absl::StatusCode::kInternal, "ENCODE"},
};

const Row& RowOf(ErrorReason reason) {
  for (const Row& row : kRows) {
    if (row.reason == reason) return row;
  }
  return kRows[0];
}

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
    details.phase = static_cast<metrics::CancelPhase>(number);
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
    case absl::StatusCode::kUnimplemented:
      return ErrorReason::kUnsupported;
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

absl::Status WithPhase(const absl::Status& status, metrics::CancelPhase phase) {
  if (status.ok()) return status;
  ErrorDetails details = DetailsOf(status);
  details.phase = phase;
  absl::Status out = status;
  out.SetPayload(kPayload, Pack(details));
  return out;
}

ErrorDetails DetailsOf(const absl::Status& status) {
  if (const auto payload = status.GetPayload(kPayload)) {
    return Unpack(*payload);
  }
  ErrorDetails details;
  details.reason = ReasonOf(status.code());
  return details;
}

const char* ReasonName(ErrorReason reason) { return RowOf(reason).name; }

}  // namespace cooper::engine
