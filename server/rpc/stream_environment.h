#ifndef COOPER_SERVER_RPC_STREAM_ENVIRONMENT_H_
#define COOPER_SERVER_RPC_STREAM_ENVIRONMENT_H_

#include <cstdint>

#include "absl/time/time.h"
#include "base/clock.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/answer_budget.h"
#include "server/rpc/memory_watch.h"
#include "server/rpc/message.h"
#include "server/rpc/stall_watch.h"
#include "server/tracing/call_trace.h"

namespace cooper::rpc {

// What every stream of a server shares. All must outlive the streams.
struct StreamEnvironment {
  metrics::ServerMetrics* metrics = nullptr;
  const base::Clock* clock = nullptr;
  StallWatch* stalls = nullptr;
  AnswerBudget* answers = nullptr;
  const MemoryWatch* memory = nullptr;
  const tracing::Tracer* tracer = nullptr;  // null: no call is recorded
  // A reader that takes nothing for longer is ended. Above 0.
  absl::Duration stall_timeout;
  // Deadline of calls that bring none, and the latest of all. Above 0.
  absl::Duration max_deadline;
  // What a request message may be.
  MessageLimits message_limits;
  // A request message that is not complete so long after the call's headers
  // ends the call. Above 0.
  absl::Duration receive_timeout;
  // Bytes of events that may wait for one reader.
  int64_t max_outbox_bytes = int64_t{64} << 20;
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_STREAM_ENVIRONMENT_H_
