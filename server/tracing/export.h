#ifndef COOPER_SERVER_TRACING_EXPORT_H_
#define COOPER_SERVER_TRACING_EXPORT_H_

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
  // A collector's address of OTLP over HTTP; empty: nothing is recorded.
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
  // OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES and OTEL_EXPORTER_OTLP_HEADERS
  // of the environment.
  Export(const ExportOptions& options, const std::string& version,
         SpanExporter::Count count, const base::Clock* clock);

  // Lives as long; its traces must not outlive it.
  const Tracer* tracer() const { return &tracer_; }

 private:
  OtlpClient client_;
  SpanExporter exporter_;
  const Tracer tracer_;
};

// What describes this process: version and host name, overridden by
// `attributes` ("key=value,key=value"), and its name: `name`, or what the
// attributes say, or cooper-server.
std::vector<Attribute> ProcessResource(const std::string& version,
                                       absl::string_view attributes,
                                       const std::string& name);

}  // namespace cooper::tracing

#endif  // COOPER_SERVER_TRACING_EXPORT_H_
