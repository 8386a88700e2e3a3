#ifndef COOPER_SERVER_METRICS_HTTP_STATUS_H_
#define COOPER_SERVER_METRICS_HTTP_STATUS_H_

namespace cooper::metrics {

// The statuses that the metrics listener answers with.
enum class HttpStatus {
  kOk = 200,
  kBadRequest = 400,
  kNotFound = 404,
  kMethodNotAllowed = 405,
  kHeadTooLarge = 431,
  kUnavailable = 503,
  kVersionNotSupported = 505,
};

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_HTTP_STATUS_H_
