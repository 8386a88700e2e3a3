#include "server/metrics/http_response.h"

#include "absl/strings/str_cat.h"

namespace cooper::metrics {
namespace {

constexpr absl::string_view kAllowed = "GET, HEAD";

absl::string_view Reason(HttpStatus status) {
  switch (status) {
    case HttpStatus::kOk:
      return "OK";
    case HttpStatus::kBadRequest:
      return "Bad Request";
    case HttpStatus::kNotFound:
      return "Not Found";
    case HttpStatus::kMethodNotAllowed:
      return "Method Not Allowed";
    case HttpStatus::kHeadTooLarge:
      return "Request Header Fields Too Large";
    case HttpStatus::kUnavailable:
      return "Service Unavailable";
    case HttpStatus::kVersionNotSupported:
      return "HTTP Version Not Supported";
  }
  return "";
}

}  // namespace

HttpStatus StatusFor(const RequestHead& head) {
  if (head.status != HttpStatus::kOk) return head.status;
  if (head.path != "/metrics") return HttpStatus::kNotFound;
  if (head.method != "GET" && head.method != "HEAD") {
    return HttpStatus::kMethodNotAllowed;
  }
  return HttpStatus::kOk;
}

std::string HttpResponse(HttpStatus status, bool is_head,
                         absl::string_view body, absl::Time date) {
  const bool ok = status == HttpStatus::kOk;
  const std::string refusal = absl::StrCat(Reason(status), "\n");
  const absl::string_view content = ok ? body : absl::string_view(refusal);
  std::string response = absl::StrCat(
      "HTTP/1.1 ", static_cast<int>(status), " ", Reason(status), "\r\nDate: ",
      absl::FormatTime("%a, %d %b %E4Y %H:%M:%S GMT", date,
                       absl::UTCTimeZone()),
      "\r\nContent-Type: text/plain; ", ok ? "version=0.0.4; " : "",
      "charset=utf-8\r\nContent-Length: ", content.size(),
      "\r\nConnection: close\r\n");
  if (status == HttpStatus::kMethodNotAllowed) {
    absl::StrAppend(&response, "Allow: ", kAllowed, "\r\n");
  }
  absl::StrAppend(&response, "\r\n", is_head ? absl::string_view() : content);
  return response;
}

}  // namespace cooper::metrics
