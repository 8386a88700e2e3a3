#ifndef COOPER_SERVER_RPC_TRACE_CONTEXT_H_
#define COOPER_SERVER_RPC_TRACE_CONTEXT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace cooper::rpc {

// The trace id (32 lower-case hex digits) of a W3C `traceparent` header; empty
// where the header is not well formed, which is never an error.
std::string TraceIdOf(absl::string_view traceparent);

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_TRACE_CONTEXT_H_
