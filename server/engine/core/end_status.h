#ifndef COOPER_SERVER_ENGINE_CORE_END_STATUS_H_
#define COOPER_SERVER_ENGINE_CORE_END_STATUS_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/engine/core/error.h"
#include "server/engine/core/request.h"

namespace cooper::engine {

// The statuses with which the engine ends requests.

absl::Status ErrorStatus(
    ErrorReason reason, absl::string_view message,
    std::optional<absl::Duration> retry_after = std::nullopt);
absl::Status DrainingStatus();
absl::Status LateStatus();
// Its least work takes `least`, but only `left` is left.
absl::Status TooShortStatus(absl::Duration least, absl::Duration left);
// It will probably take `expected`, and other requests wait for the device.
absl::Status UnlikelyStatus(absl::Duration expected, absl::Duration left,
                            absl::Duration retry_after);
// Its map needs `needed` more.
absl::Status TooSlowStatus(absl::string_view what, absl::Duration needed,
                           absl::Duration left);
absl::Status QueueTimeoutStatus(absl::Duration timeout);
// The GPU's memory ran out for its work, also with nothing beside it.
absl::Status GpuMemoryStatus();
// kNone counts as kClient.
absl::Status StatusOf(CancelCause cause);

// "client", "deadline", "stall", "shutdown": `cause` of
// cooper_cancellations_total. gRPC does not tell a cancel from a broken
// connection.
const char* CancelCauseName(CancelCause cause);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_CORE_END_STATUS_H_
