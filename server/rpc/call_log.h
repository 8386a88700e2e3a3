#ifndef COOPER_SERVER_RPC_CALL_LOG_H_
#define COOPER_SERVER_RPC_CALL_LOG_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/engine/core/method.h"

namespace cooper::rpc {

// One line for a call that ended and of which the engine does not tell: method,
// code, reason, duration, names, and where it was when it ended early. Never a
// prompt, an answer or pixels.
void LogCall(engine::Method method, const absl::Status& end,
             const std::string& request_id, const std::string& trace_id,
             absl::Duration duration);

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_CALL_LOG_H_
