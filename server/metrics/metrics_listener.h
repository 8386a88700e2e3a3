#ifndef COOPER_SERVER_METRICS_METRICS_LISTENER_H_
#define COOPER_SERVER_METRICS_METRICS_LISTENER_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/listen_address.h"

namespace prometheus {
class Collectable;
class Exposer;
}  // namespace prometheus

namespace cooper::metrics {

struct MetricsListenerOptions {
  // Connections that are served at once, each by a thread; more wait. A peer
  // that sends nothing or reads nothing holds a thread for `timeout`, so that
  // a scrape waits at most that long for every `threads` such peers. 1 to 1024.
  int threads = 32;
  // For a request to arrive, and again for its response to be taken. At least
  // one millisecond.
  absl::Duration timeout = absl::Seconds(2);

  // INVALID_ARGUMENT names the option.
  absl::Status Validate() const;
};

// Serves GET /metrics (Prometheus text 0.0.4) over HTTP from construction to
// destruction by prometheus::Exposer, which adds metrics of its own
// (exposer_*). IPv6 only where civetweb is built with it; Debian's is not.
//
// The threads are civetweb's. The destructor joins them, which takes up to
// `timeout` while a peer is stuck. Thread-safe.
class MetricsListener {
 public:
  using Collectables = std::vector<std::shared_ptr<prometheus::Collectable>>;

  // Shares what is collected. Blocks while a name is looked up.
  // INVALID_ARGUMENT: options; UNAVAILABLE: cannot listen there.
  static absl::StatusOr<std::unique_ptr<MetricsListener>> Start(
      const base::ListenAddress& listen, Collectables collected,
      const MetricsListenerOptions& options = {});
  ~MetricsListener();
  MetricsListener(const MetricsListener&) = delete;
  MetricsListener& operator=(const MetricsListener&) = delete;

  // With the port that was bound.
  const base::ListenAddress& address() const { return address_; }

 private:
  MetricsListener();

  base::ListenAddress address_;  // constant after Start
  Collectables collected_;       // exposer_ holds weak pointers
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_METRICS_LISTENER_H_
