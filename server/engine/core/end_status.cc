#include "server/engine/core/end_status.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace cooper::engine {
namespace {

std::string Milliseconds(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Milliseconds(1)));
}

}  // namespace

absl::Status ErrorStatus(ErrorReason reason, absl::string_view message,
                         std::optional<absl::Duration> retry_after) {
  ErrorDetails details;
  details.reason = reason;
  if (retry_after.has_value()) details.retry_after = retry_after;
  return MakeError(details, message);
}

absl::Status DrainingStatus() {
  return ErrorStatus(ErrorReason::kDraining, "the server is shutting down");
}

absl::Status LateStatus() {
  return ErrorStatus(ErrorReason::kDeadline, "the deadline passed");
}

absl::Status TooShortStatus(absl::Duration least, absl::Duration left) {
  return ErrorStatus(
      ErrorReason::kDeadlineTooShort,
      absl::StrCat("takes at least ", absl::FormatDuration(least),
                   ", but its deadline is ", absl::FormatDuration(left),
                   " away"));
}

absl::Status UnlikelyStatus(absl::Duration expected, absl::Duration left,
                            absl::Duration retry_after) {
  return ErrorStatus(
      ErrorReason::kDeadlineTooShort,
      absl::StrCat("under the present load it is expected to take ",
                   Milliseconds(expected), ", but its deadline is ",
                   Milliseconds(left), " away"),
      retry_after);
}

absl::Status TooSlowStatus(absl::string_view what, absl::Duration needed,
                           absl::Duration left) {
  return ErrorStatus(
      ErrorReason::kDeadline,
      absl::StrCat("the deadline would pass: the ", what, " needs ",
                   Milliseconds(needed), " more, but the deadline is ",
                   Milliseconds(left), " away"));
}

absl::Status QueueTimeoutStatus(absl::Duration timeout) {
  return ErrorStatus(ErrorReason::kQueueTimeout,
                     absl::StrCat("could not be started within ",
                                  absl::FormatDuration(timeout)));
}

absl::Status GpuMemoryStatus() {
  return ErrorStatus(ErrorReason::kGpuMemory,
                     "GPU memory ran out while the request was alone in its "
                     "batch");
}

const char* CancelCauseName(CancelCause cause) {
  switch (cause) {
    case CancelCause::kDeadline:
      return "deadline";
    case CancelCause::kStall:
      return "stall";
    case CancelCause::kShutdown:
      return "shutdown";
    case CancelCause::kNone:
    case CancelCause::kClient:
    case CancelCause::kDisconnect:
      break;
  }
  return "client";
}

absl::Status StatusOf(CancelCause cause) {
  switch (cause) {
    case CancelCause::kDeadline:
      return LateStatus();
    case CancelCause::kStall:
      return ErrorStatus(ErrorReason::kSlowReader,
                         "the reader stalled for too long");
    case CancelCause::kShutdown:
      return DrainingStatus();
    case CancelCause::kNone:
    case CancelCause::kClient:
    case CancelCause::kDisconnect:
      break;
  }
  return ErrorStatus(ErrorReason::kCancelled,
                     "the client cancelled the call or disconnected");
}

}  // namespace cooper::engine
