#ifndef COOPER_SERVER_RPC_CALL_END_H_
#define COOPER_SERVER_RPC_CALL_END_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/engine/core/method.h"
#include "server/rpc/stream_environment.h"

// How calls end that never reach the engine. Thread-safe functions.

namespace cooper::rpc {

// Runs the checks and the parsing of one RPC. What it throws (out of memory,
// for instance) becomes INTERNAL; its words stay in the log.
absl::Status CatchAll(absl::FunctionRef<absl::Status()> work);

// Counts the end of a call that began at `started`, logs it if it failed, adds
// the trailers of a retry, and returns what to finish the call with.
grpc::Status EndCall(const absl::Status& end, absl::Time started,
                     const StreamEnvironment& environment,
                     engine::Method method,
                     grpc::CallbackServerContext* context);

// MEMORY_PRESSURE, and no new work then: the memory of the process is near its
// limit, or the answers' budget is nearly full.
absl::Status CheckMemory(const StreamEnvironment& environment);

// The end of a call whose request message was not complete after `timeout`.
absl::Status RequestIncomplete(absl::Duration timeout);

// The end of a call whose request message could not be read: it was cancelled,
// or the caller sent none. `gone`: why the call is known to be cancelled.
absl::Status NoRequest(const grpc::CallbackServerContext& context,
                       engine::CancelCause gone);

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_CALL_END_H_
