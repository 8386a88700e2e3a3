#ifndef COOPER_SERVER_TRACING_EXPORT_H_
#define COOPER_SERVER_TRACING_EXPORT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "server/tracing/call_trace.h"
#include "server/tracing/otlp_client.h"
#include "server/tracing/span.h"
#include "server/tracing/span_exporter.h"

namespace cooper::tracing {

struct ExportOptions {
  // A collector's URL for traces, OTLP over HTTP; empty: nothing is recorded.
  std::string endpoint;
  // Of calls whose callers do not decide it, the share that is recorded.
  // [0, 1].
  double sample_ratio = 1.0;

  absl::Status Validate() const;
};

// What a process needs to record its calls and send them to a collector.
class Export {
 public:
  // `options` are valid, with an endpoint. What is given must outlive it. Reads
  // OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES and
  // OTEL_EXPORTER_OTLP_TRACES_HEADERS or OTEL_EXPORTER_OTLP_HEADERS of the
  // environment.
  Export(const ExportOptions& options, const std::string& version,
         SpanExporter::Count count, const base::Clock* clock);

  // Lives as long; its traces must not outlive it.
  const Tracer* tracer() const { return &tracer_; }

 private:
  OtlpClient client_;
  SpanExporter exporter_;
  const Tracer tracer_;
};

// The value of a variable; empty where it is not set.
using Environment = std::function<std::string(const char* name)>;
std::string ReadEnvironment(const char* name);

// The URL for traces (ExportOptions::endpoint). `flag`, where it is not empty,
// with the standard path /v1/traces if it has no path. Else, as OpenTelemetry
// defines them, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT as it is, or
// OTEL_EXPORTER_OTLP_ENDPOINT with v1/traces added to its path; neither counts
// where OTEL_SDK_DISABLED is true or OTEL_TRACES_EXPORTER is none, and one that
// is no URL of HTTP is logged and not used. A bad flag stays as it is, for
// Validate.
std::string TracesEndpoint(const std::string& flag,
                           const Environment& environment);

// What describes this process: version and host name, overridden by
// `attributes` ("key=value,key=value"), and its name: `name`, or what the
// attributes say, or cooper-server.
std::vector<Attribute> ProcessResource(const std::string& version,
                                       absl::string_view attributes,
                                       const std::string& name);

}  // namespace cooper::tracing

#endif  // COOPER_SERVER_TRACING_EXPORT_H_
