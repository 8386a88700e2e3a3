#ifndef COOPER_SERVER_TRACING_OTLP_CLIENT_H_
#define COOPER_SERVER_TRACING_OTLP_CLIENT_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/tracing/span.h"

namespace cooper::tracing {

// Posts JSON to a collector's address over HTTP or HTTPS, with one connection
// that is kept. Not thread-safe.
class OtlpClient {
 public:
  // INVALID_ARGUMENT: not an http:// or https:// URL.
  static absl::Status CheckUrl(absl::string_view url);
  // Whether a URL has a path other than "/". True where it is no URL.
  static bool HasPath(const std::string& url);
  // The URL with v1/traces, the standard place of traces, added to its path;
  // itself where it is no URL.
  static std::string AddTracesPath(const std::string& url);

  // `url` is good by CheckUrl ("http://collector:4318/v1/traces"). `headers`
  // are sent with each message: pairs of name and value.
  OtlpClient(std::string url,
             const std::vector<std::pair<std::string, std::string>>& headers);
  ~OtlpClient();
  OtlpClient(const OtlpClient&) = delete;
  OtlpClient& operator=(const OtlpClient&) = delete;

  // UNAVAILABLE: no connection, too slow, or the collector says that it is
  // (429, 502, 503, 504). INVALID_ARGUMENT: every other answer but 2xx. Blocks,
  // at most for `timeout`.
  absl::Status Post(const std::string& body, absl::Duration timeout);

 private:
  class Curl;
  const std::string url_;
  std::unique_ptr<Curl> curl_;
};

// A list of OpenTelemetry's environment variables: "key=value,key=value",
// values percent-encoded. What is not of that form is left out.
std::vector<std::pair<std::string, std::string>> ParsePairs(
    absl::string_view list);

}  // namespace cooper::tracing

#endif  // COOPER_SERVER_TRACING_OTLP_CLIENT_H_
