#ifndef COOPER_SERVER_TRACING_OTLP_JSON_H_
#define COOPER_SERVER_TRACING_OTLP_JSON_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "server/tracing/span.h"

namespace cooper::tracing {

// The body of OTLP/HTTP's POST /v1/traces in its JSON encoding
// (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"): the spans of
// the process that `resource` describes.
std::string ToOtlpJson(const std::vector<Attribute>& resource,
                       absl::Span<const Span> spans);

}  // namespace cooper::tracing

#endif  // COOPER_SERVER_TRACING_OTLP_JSON_H_
