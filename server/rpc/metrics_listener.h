#ifndef COOPER_SERVER_RPC_METRICS_LISTENER_H_
#define COOPER_SERVER_RPC_METRICS_LISTENER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/rpc/listen_address.h"

namespace prometheus {
class Collectable;
class Exposer;
}  // namespace prometheus

namespace cooper::rpc {

// Serves GET /metrics (Prometheus text) on a port of its own, with a few
// threads of its own, from construction to destruction. Thread-safe.
class MetricsListener {
 public:
  // Shares what is collected. UNAVAILABLE: cannot listen there.
  static absl::StatusOr<std::unique_ptr<MetricsListener>> Start(
      const ListenAddress& listen,
      std::vector<std::shared_ptr<prometheus::Collectable>> collected);
  ~MetricsListener();

  // With the port that was bound.
  const ListenAddress& address() const { return address_; }

 private:
  MetricsListener() = default;

  std::vector<std::shared_ptr<prometheus::Collectable>> collected_;
  ListenAddress address_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_METRICS_LISTENER_H_
