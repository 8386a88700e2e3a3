#ifndef COOPER_SERVER_ENGINE_ERROR_H_
#define COOPER_SERVER_ENGINE_ERROR_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// Stable reasons of errors: google.rpc.ErrorInfo.reason on the wire
// (spatial_reasoning.proto lists them), and what metrics count by.
enum class ErrorReason {
  kInvalidArgument,   // INVALID_ARGUMENT
  kInvalidImage,      // INVALID_ARGUMENT
  kTooManyPositions,  // INVALID_ARGUMENT; CONTEXT_TOO_LARGE on the wire
  kModelNotFound,     // NOT_FOUND
  kSessionNotFound,   // NOT_FOUND
  kSessionBusy,       // FAILED_PRECONDITION
  kUnsupported,       // FAILED_PRECONDITION
  kQueueFull,         // RESOURCE_EXHAUSTED, retry
  kClientLimit,       // RESOURCE_EXHAUSTED, retry
  kQueueTimeout,      // RESOURCE_EXHAUSTED, retry
  kMemoryPressure,    // RESOURCE_EXHAUSTED, retry
  kContextTooLarge,   // RESOURCE_EXHAUSTED; the KV pool is too small
  kGpuMemory,         // RESOURCE_EXHAUSTED, retry
  kLoading,           // UNAVAILABLE, retry
  kDraining,          // UNAVAILABLE, retry
  kEngineFailed,      // UNAVAILABLE, retry
  kDeadline,          // DEADLINE_EXCEEDED
  kDeadlineTooShort,  // DEADLINE_EXCEEDED
  kCancelled,         // CANCELLED
  kSlowReader,        // CANCELLED
  kEngine,            // INTERNAL
  kNumeric,           // INTERNAL
  kEncode,            // INTERNAL
};

// What an error of the engine carries besides code and message.
struct ErrorDetails {
  ErrorReason reason = ErrorReason::kEngine;
  std::string field;                          // of BadRequest; may be empty
  std::optional<absl::Duration> retry_after;  // of RetryInfo
  // Where the request was when it ended; unset if it never was admitted.
  std::optional<metrics::CancelPhase> phase;
};

// A status with the code that belongs to `details.reason`, and the details as
// a payload.
absl::Status MakeError(const ErrorDetails& details, absl::string_view message);
absl::Status InvalidField(absl::string_view field, absl::string_view message);

// The same with `phase` among its details. OK stays OK.
absl::Status WithPhase(const absl::Status& status, metrics::CancelPhase phase);

// The details of a status. Where none are attached, those that fit its code.
ErrorDetails DetailsOf(const absl::Status& status);

// "QUEUE_FULL", ...
const char* ReasonName(ErrorReason reason);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_ERROR_H_
