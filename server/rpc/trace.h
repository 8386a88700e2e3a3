#ifndef COOPER_SERVER_RPC_TRACE_H_
#define COOPER_SERVER_RPC_TRACE_H_

#include <grpcpp/server_context.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/metrics/server_metrics.h"
#include "server/tracing/call_trace.h"

// Where a call meets its trace: W3C trace context in the call's metadata, and
// OpenTelemetry's semantic conventions for gRPC.

namespace cooper::rpc {

// The trace id of the call's headers; empty where they bring none.
std::string TraceIdOf(const grpc::CallbackServerContext& context);

// The trace of a call that begins; null where the tracer is, or where the call
// is not recorded.
std::shared_ptr<tracing::CallTrace> BeginTrace(
    const tracing::Tracer* tracer, const grpc::CallbackServerContext& context,
    engine::Method method);

// `trace` may be null.
void EndTrace(tracing::CallTrace* trace, const absl::Status& end,
              absl::Time now);

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_TRACE_H_
