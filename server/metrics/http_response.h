#ifndef COOPER_SERVER_METRICS_HTTP_RESPONSE_H_
#define COOPER_SERVER_METRICS_HTTP_RESPONSE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/metrics/http_status.h"
#include "server/metrics/request_head.h"

namespace cooper::metrics {

// kOk where `head` asks for the metrics: GET or HEAD of /metrics. Otherwise
// what is wrong with it.
HttpStatus StatusFor(const RequestHead& head);

// A whole HTTP/1.1 response, after which the connection is to be closed.
// `body` is the metrics' text with kOk, else unused: refusals carry a line of
// text. `date` is the wall clock. Pure.
std::string HttpResponse(HttpStatus status, bool is_head,
                         absl::string_view body, absl::Time date);

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_HTTP_RESPONSE_H_
