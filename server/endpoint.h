#ifndef COOPER_SERVER_ENDPOINT_H_
#define COOPER_SERVER_ENDPOINT_H_

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/listen_address.h"
#include "server/acceptor.h"
#include "server/metrics/server_metrics.h"
#include "server/peer_times.h"
#include "server/rpc/method_table.h"

namespace cooper {

// How gRPC serves one port.
struct EndpointOptions {
  base::ListenAddress listen;
  ConnectionLimits connections;
  // Bytes of request messages that are being received, of all calls together.
  int64_t receive_bytes = 0;
  int max_concurrent_streams = 0;  // of one connection
  PeerTimes times;
  // Connections are closed after their age. Infinite: never.
  absl::Duration max_connection_age = absl::InfiniteDuration();
};

// One port of the process: an acceptor of connections and the gRPC server that
// takes them over. Thread-safe but for the destructor.
class Endpoint {
 public:
  // Listens; calls are served from Accept on. `methods` outlives it; `metrics`
  // too, null: its connections are not counted. UNAVAILABLE: cannot listen.
  static absl::StatusOr<std::unique_ptr<Endpoint>> Start(
      const EndpointOptions& options,
      std::shared_ptr<grpc::ServerCredentials> credentials,
      rpc::MethodTable* methods, metrics::ServerMetrics* metrics);
  // Shuts down with no time left.
  ~Endpoint();

  // With the port that was bound.
  const base::ListenAddress& address() const { return acceptor_->address(); }

  // Once.
  void Accept();

  // Closes the listener; connections stay. Idempotent, for one thread.
  void StopAccepting() { acceptor_->Stop(); }

  // The same; then lets calls under way end for at most `grace`, cancels the
  // rest, and returns when none is left. Idempotent, for one thread.
  void Shutdown(absl::Duration grace);

 private:
  Endpoint() = default;

  // In the order of their making: the acceptor ends before what it hands over
  // to.
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace cooper

#endif  // COOPER_SERVER_ENDPOINT_H_
