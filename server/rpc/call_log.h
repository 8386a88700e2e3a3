#ifndef COOPER_SERVER_RPC_CALL_LOG_H_
#define COOPER_SERVER_RPC_CALL_LOG_H_

#include <grpcpp/server_context.h>

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/engine/core/method.h"

namespace cooper::rpc {

// Who called, for the log. Each may be empty: not known, or not told.
struct CallNames {
  std::string request_id;  // the client's, of any length and bytes
  std::string client;      // client_name.h; logged as a digest
  std::string trace_id;
};

// One line for a call that ended and of which the engine does not tell: method,
// code, reason, duration, names, peer, and where it was when it ended early.
// Never a prompt, an answer or pixels. Of calls that failed for one reason, at
// most ten lines a second are logged (base::LogSampled).
void LogCall(engine::Method method, const absl::Status& end,
             const CallNames& names, const grpc::ServerContextBase& context,
             absl::Duration duration);

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_CALL_LOG_H_
