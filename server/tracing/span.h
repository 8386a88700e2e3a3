#ifndef COOPER_SERVER_TRACING_SPAN_H_
#define COOPER_SERVER_TRACING_SPAN_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"

namespace cooper::tracing {

// A name of OpenTelemetry's semantic conventions where there is one, else
// beginning with "cooper.". Never a prompt, an answer or pixels.
using Attribute =
    std::pair<std::string, std::variant<std::string, int64_t, double>>;

// A stretch of work, with OpenTelemetry's meaning of every field.
struct Span {
  enum class Kind { kInternal = 1, kServer = 2 };  // OTLP's numbers

  std::string trace_id;   // 32 lower-case hex digits
  std::string span_id;    // 16
  std::string parent_id;  // 16, or empty: the trace begins here
  std::string name;
  Kind kind = Kind::kInternal;
  absl::Time start, end;  // of the wall clock
  std::vector<Attribute> attributes;
  bool failed = false;
  std::string message;  // of what failed
};

}  // namespace cooper::tracing

#endif  // COOPER_SERVER_TRACING_SPAN_H_
