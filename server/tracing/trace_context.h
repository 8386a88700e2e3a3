#ifndef COOPER_SERVER_TRACING_TRACE_CONTEXT_H_
#define COOPER_SERVER_TRACING_TRACE_CONTEXT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace cooper::tracing {

// What a W3C `traceparent` header says of its sender.
struct TraceContext {
  std::string trace_id;   // 32 lower-case hex digits, not all zero
  std::string parent_id;  // of the sender's span: 16, not all zero
  bool sampled = false;   // the sender records this trace
};

// Nothing where the header is not well formed, which is never an error.
std::optional<TraceContext> ParseTraceparent(absl::string_view header);

}  // namespace cooper::tracing

#endif  // COOPER_SERVER_TRACING_TRACE_CONTEXT_H_
