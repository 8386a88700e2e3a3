#include "server/tracing/export.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace cooper::tracing {
namespace {

std::string Environment(const char* name) {
  // Nobody in this process sets variables.
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? "" : value;
}

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

}  // namespace

absl::Status ExportOptions::Validate() const {
  if (!endpoint.empty()) {
    const absl::Status url = OtlpClient::CheckUrl(endpoint);
    if (!url.ok()) return base::Annotate(url, "otlp_traces_endpoint");
  }
  if (sample_ratio >= 0 && sample_ratio <= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "trace_sample_ratio: must be in [0, 1], not ", sample_ratio));
}

std::vector<Attribute> ProcessResource(const std::string& version,
                                       absl::string_view attributes,
                                       const std::string& name) {
  std::map<std::string, std::string> facts = {
      {"service.name", "cooper-server"},
      {"service.version", version},
      {"service.instance.id", HostName()}};
  for (auto& [key, value] : ParsePairs(attributes)) {
    facts[key] = std::move(value);
  }
  if (!name.empty()) facts["service.name"] = name;
  return {facts.begin(), facts.end()};
}

Export::Export(const ExportOptions& options, const std::string& version,
               SpanExporter::Count count, const base::Clock* clock)
    : client_(options.endpoint,
              ParsePairs(Environment("OTEL_EXPORTER_OTLP_HEADERS"))),
      exporter_(
          SpanExporter::Options{},
          ProcessResource(version, Environment("OTEL_RESOURCE_ATTRIBUTES"),
                          Environment("OTEL_SERVICE_NAME")),
          [this](const std::string& body, absl::Duration timeout) {
            return client_.Post(body, timeout);
          },
          std::move(count)),
      tracer_(options.sample_ratio, clock, [this](std::vector<Span> spans) {
        exporter_.Export(std::move(spans));
      }) {}

}  // namespace cooper::tracing
