#ifndef COOPER_SERVER_METRICS_METRICS_LISTENER_H_
#define COOPER_SERVER_METRICS_METRICS_LISTENER_H_

#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/listen_address.h"
#include "server/metrics/file_descriptor.h"

namespace prometheus {
class Collectable;
}

namespace cooper::metrics {

struct MetricsListenerOptions {
  // Connections that are served at once; more get a 503. At least 1.
  int max_connections = 128;
  // For the head of a request to come, and again for the response to be taken.
  // Positive.
  absl::Duration timeout = absl::Seconds(5);

  // INVALID_ARGUMENT names the option.
  absl::Status Validate() const;
};

// Serves GET and HEAD of /metrics (Prometheus text 0.0.4) over HTTP/1.0 and
// HTTP/1.1, one request a connection, from construction to destruction. Other
// paths get 404, other methods 405, what is no request 400, a head over 8 KiB
// 431.
//
// All work is done by one thread of its own, "metrics": slow peers take a
// place among the connections, never a thread. Requests that have come by the
// time of a collection share it. The destructor ends open connections and
// takes a few milliseconds. Thread-safe.
class MetricsListener {
 public:
  using Collectables = std::vector<std::shared_ptr<prometheus::Collectable>>;

  // Shares what is collected. INVALID_ARGUMENT: options; UNAVAILABLE: cannot
  // listen there.
  static absl::StatusOr<std::unique_ptr<MetricsListener>> Start(
      const base::ListenAddress& listen, Collectables collected,
      const MetricsListenerOptions& options = {});
  ~MetricsListener();
  MetricsListener(const MetricsListener&) = delete;
  MetricsListener& operator=(const MetricsListener&) = delete;

  // With the port that was bound.
  const base::ListenAddress& address() const { return address_; }

 private:
  MetricsListener() = default;

  base::ListenAddress address_;  // constant after Start
  FileDescriptor stop_;          // eventfd; written once, by the destructor
  std::thread thread_;
};

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_METRICS_LISTENER_H_
