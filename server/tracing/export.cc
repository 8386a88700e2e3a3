#include "server/tracing/export.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "base/status_macros.h"

namespace cooper::tracing {
namespace {

// Pairs of name and value for the collector.
std::vector<std::pair<std::string, std::string>> ReadHeaders() {
  const std::string traces =
      ReadEnvironment("OTEL_EXPORTER_OTLP_TRACES_HEADERS");
  return ParsePairs(
      traces.empty() ? ReadEnvironment("OTEL_EXPORTER_OTLP_HEADERS") : traces);
}

// The endpoint of the environment, if it is one.
std::string Usable(const char* name, std::string endpoint) {
  const absl::Status url = OtlpClient::CheckUrl(endpoint);
  if (url.ok()) return endpoint;
  base::Log(base::LogLevel::kWarning, "no traces are sent",
            {{"variable", name}, {"error", url.message()}});
  return "";
}

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

}  // namespace

std::string ReadEnvironment(const char* name) {
  // No thread of this process sets variables.
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? "" : value;
}

std::string TracesEndpoint(const std::string& flag,
                           const Environment& environment) {
  if (!flag.empty()) {
    return OtlpClient::HasPath(flag) ? flag : OtlpClient::AddTracesPath(flag);
  }
  constexpr char kTraces[] = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
  constexpr char kAll[] = "OTEL_EXPORTER_OTLP_ENDPOINT";
  if (absl::EqualsIgnoreCase(environment("OTEL_SDK_DISABLED"), "true") ||
      environment("OTEL_TRACES_EXPORTER") == "none") {
    return "";
  }
  const std::string traces = environment(kTraces);
  if (!traces.empty()) return Usable(kTraces, traces);
  const std::string all = environment(kAll);
  if (all.empty()) return "";
  return Usable(kAll, OtlpClient::AddTracesPath(all));
}

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
    : client_(options.endpoint, ReadHeaders()),
      exporter_(
          SpanExporter::Options{},
          ProcessResource(version, ReadEnvironment("OTEL_RESOURCE_ATTRIBUTES"),
                          ReadEnvironment("OTEL_SERVICE_NAME")),
          [this](const std::string& body, absl::Duration timeout) {
            return client_.Post(body, timeout);
          },
          std::move(count)),
      tracer_(options.sample_ratio, clock, [this](std::vector<Span> spans) {
        exporter_.Export(std::move(spans));
      }) {}

}  // namespace cooper::tracing
