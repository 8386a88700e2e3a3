#ifndef COOPER_SERVER_ENGINE_CORE_ERROR_H_
#define COOPER_SERVER_ENGINE_CORE_ERROR_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/engine/core/phase.h"

namespace cooper::engine {

// Stable reasons of errors: google.rpc.ErrorInfo.reason on the wire, and what
// logs and metrics say. ErrorTable() has the facts of each.
enum class ErrorReason {
  kInvalidArgument,
  kInvalidImage,
  kTooManyPositions,  // CONTEXT_TOO_LARGE on the wire: more than the model
                      // takes
  kModelNotFound,
  kSessionNotFound,
  kSessionBusy,
  kUnsupported,
  kUnauthenticated,
  kPermissionDenied,
  kUnimplemented,
  kQueueFull,
  kClientLimit,
  kQueueTimeout,
  kMemoryPressure,
  kMessageTooLarge,
  kContextTooLarge,  // the KV pool is too small
  kGpuMemory,
  kLoading,
  kDraining,
  kEngineFailed,
  kDeadline,
  kDeadlineTooShort,
  kCancelled,
  kSlowReader,
  kEngine,
  kNumeric,
  kEncode,
};

// How an RPC that did not end with OK is counted.
enum class EndKind { kRejection, kCancellation, kFailure };

struct ErrorRow {
  ErrorReason reason;
  absl::StatusCode code;
  const char* name;            // "QUEUE_FULL": ErrorInfo.reason
  absl::Duration retry_after;  // default of RetryInfo; zero: not to be retried
  EndKind end;
  // Label of the counter: `reason` of rejections and failures, `cause` of
  // cancellations.
  const char* label;
};

// One row for each reason, in the order of the enum.
absl::Span<const ErrorRow> ErrorTable();
const ErrorRow& RowOf(ErrorReason reason);

// What an error carries besides code and message.
struct ErrorDetails {
  ErrorReason reason = ErrorReason::kEngine;
  std::string field;                          // of BadRequest; may be empty
  std::optional<absl::Duration> retry_after;  // of RetryInfo; unset: the row's
  // Where the request was when it ended; unset if it never was admitted.
  std::optional<Phase> phase;
};

// A status with the code that belongs to `details.reason`, and the details as
// a payload.
absl::Status MakeError(const ErrorDetails& details, absl::string_view message);
absl::Status InvalidField(absl::string_view field, absl::string_view message);

// The same with `phase` among its details. OK stays OK.
absl::Status WithPhase(const absl::Status& status, Phase phase);

// The details of a status. Where none are attached, those that fit its code.
ErrorDetails DetailsOf(const absl::Status& status);

// "QUEUE_FULL", ...
const char* ReasonName(ErrorReason reason);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_CORE_ERROR_H_
