#ifndef COOPER_SERVER_ACCEPTOR_H_
#define COOPER_SERVER_ACCEPTOR_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/listen_address.h"
#include "server/metrics/server_metrics.h"

namespace cooper {

// Open connections; 0: no limit of its own.
struct ConnectionLimits {
  int total = 1024;
  int per_address = 256;  // of one IPv4 address, or of one IPv6 /64
};

// Listens and accepts the connections of a server, and hands them over to gRPC.
// gRPC 1.51 itself never accepts again once the process ran out of descriptors
// (CVE-2023-4785); this pauses, and goes on once there are some. A connection
// past a limit is closed at once.
//
// The function that takes a connection owns its descriptor; the acceptor sees
// within 250 ms that it was closed. So that files can be opened too, the limit
// of connections is at most what RLIMIT_NOFILE leaves after 64 descriptors.
//
// Thread-safe.
class Acceptor {
 public:
  // Takes over `fd`, a connection that `listener_fd` accepted; both do not
  // block. Called by the acceptor's thread.
  using Take = std::function<void(int listener_fd, int fd)>;

  // Binds and listens; nothing is accepted before Start. UNAVAILABLE: the
  // address cannot be had. `metrics` outlives it; null:
  // connections are not counted.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Listen(
      const base::ListenAddress& address, const ConnectionLimits& limits,
      metrics::ServerMetrics* metrics);
  // Stops.
  ~Acceptor();

  // With the port that was bound.
  const base::ListenAddress& address() const { return address_; }

  // Once.
  void Start(Take take);

  // Closes the listener; returns when no connection will be handed over any
  // more. Idempotent, for one thread.
  void Stop();

 private:
  struct Connection {
    ino_t inode = 0;  // of the socket: another one may get the descriptor
    std::string address;
  };

  Acceptor(const ConnectionLimits& limits, metrics::ServerMetrics* metrics);
  absl::Status Bind(const base::ListenAddress& address);

  void Run();
  // Accepts what waits; false: descriptors or memory are short.
  bool AcceptAll(int listener);
  // Nullptr, or the limit that a connection from `address` would pass.
  const char* LimitPassedBy(const std::string& address);
  // Forgets the connections that were closed.
  void Sweep();
  void Forget(int fd);
  void CountOpen();
  void CountRefused(const char* reason);

  const ConnectionLimits limits_;
  metrics::ServerMetrics* const metrics_;
  base::ListenAddress address_;
  std::vector<int> listeners_;
  int stop_event_ = -1;
  Take take_;
  // The thread's own.
  absl::flat_hash_map<int, Connection> open_;  // by descriptor
  absl::flat_hash_map<std::string, int> by_address_;
  absl::Time last_sweep_ = absl::InfinitePast();
  absl::Time last_warning_ = absl::InfinitePast();
  std::thread thread_;
};

// Raises the soft limit of open descriptors to the hard one.
void RaiseDescriptorLimit();

}  // namespace cooper

#endif  // COOPER_SERVER_ACCEPTOR_H_
