#ifndef COOPER_SERVER_METRICS_REQUEST_HEAD_H_
#define COOPER_SERVER_METRICS_REQUEST_HEAD_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "server/metrics/http_status.h"

namespace cooper::metrics {

// Request line and header fields together.
constexpr size_t kMaxHeadBytes = 8192;

// What we need of the head of an HTTP/1.0 or HTTP/1.1 request.
struct RequestHead {
  // kOk, or why the request is refused: kBadRequest, kHeadTooLarge,
  // kVersionNotSupported. Then the rest means nothing.
  HttpStatus status = HttpStatus::kOk;
  std::string method;  // "GET", ...; a token
  std::string path;    // "/metrics"; without query, never empty
};

// Reads the head from the first bytes of a connection; nullopt: more of them
// are needed. A body, if one follows, is not looked at. Lines may end with LF
// alone. Refuses as soon as the bytes cannot become a request any more, such
// as those of TLS. Pure.
std::optional<RequestHead> ReadRequestHead(absl::string_view received);

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_REQUEST_HEAD_H_
