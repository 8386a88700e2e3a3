#ifndef COOPER_SERVER_RPC_STATUS_H_
#define COOPER_SERVER_RPC_STATUS_H_

#include <grpcpp/support/status.h>

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "server/engine/core/request.h"
#include "server/metrics/server_metrics.h"

// The one place where our statuses become gRPC's, and where the end of an RPC
// is counted. Thread-safe functions.

namespace cooper::rpc {

// The value is the whole of what the caller learns: the code, the message
// (printable, at most 1000 bytes) and, for grpc-status-details-bin, a
// google.rpc.Status with ErrorInfo (domain "cooper.v1", the stable reason),
// BadRequest where a field is to blame, RetryInfo where a retry makes sense.
// A code that this server never sends (UNKNOWN among them) becomes INTERNAL.
grpc::Status ToGrpcStatus(const absl::Status& status);

// What the trailer grpc-retry-pushback-ms says; none where a retry makes no
// sense.
std::optional<int64_t> RetryPushbackMs(const absl::Status& status);

// "QUEUE_FULL", ...: ErrorInfo's reason, for logs too. "OK" for OK.
const char* ReasonOf(const absl::Status& status);

// Makes of how the engine ended an RPC, and of why it was told to stop, what
// the RPC ends with: a cancelled request ends by its cause. `status` is not OK.
absl::Status EndOfCancelled(const absl::Status& status,
                            engine::CancelCause cause);

// The error of an RPC whose caller, deadline or slowness (`cause`, not kNone)
// ended it in `phase`.
absl::Status CancelledError(engine::CancelCause cause, engine::Phase phase);

// Moves exactly one of the counters rejections, cancellations and errors; none
// for OK.
void CountEnd(const absl::Status& status, engine::Method method,
              metrics::ServerMetrics* metrics);

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_STATUS_H_
