#ifndef COOPER_SERVER_SERVER_H_
#define COOPER_SERVER_SERVER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/listen_address.h"
#include "base/mutex.h"
#include "server/acceptor.h"
#include "server/metrics/server_metrics.h"
#include "server/peer_times.h"
#include "server/rpc/health.h"
#include "server/rpc/limits.h"
#include "server/rpc/memory_watch.h"
#include "server/rpc/serving_state.h"
#include "server/security/pem_files.h"
#include "server/tracing/call_trace.h"

namespace cooper::rpc {

struct ServerOptions {
  base::ListenAddress listen{"0.0.0.0", 8001};
  RpcLimits limits;
  security::TlsFiles tls;
  // How often the TLS files are looked at. At least 1 ms.
  absl::Duration tls_refresh = absl::Seconds(10);
  std::string auth_token_file;  // empty: every client may call
  // JSON file of the methods that each client may call (policy_file.h); empty:
  // every client may call all. Looked at as often as the token file.
  std::string policy_file;
  // A second port, for probes: the health service alone, without TLS.
  std::optional<base::ListenAddress> health_listen;
  // Tokens without TLS on an address that other machines reach.
  bool allow_plaintext_tokens = false;
  // How often the token file is looked at. At least 1 ms.
  absl::Duration token_refresh = absl::Seconds(1);
  bool reflection = false;
  ConnectionLimits connections;
  PeerTimes peer_times;
  // How often the server connects to itself, and after how long without an
  // answer the listener counts as deaf.
  absl::Duration probe_interval = absl::Seconds(5);
  absl::Duration probe_patience = absl::Seconds(60);
  // Bytes of request messages that are being received, of all calls together.
  // Past it gRPC ends calls whose messages are not complete. At least twice
  // limits.max_message_bytes.
  int64_t receive_bytes = int64_t{256} << 20;
  // Bytes of answers that wait for their readers. At least 1 MiB.
  int64_t answer_bytes = int64_t{85} << 20;
  // Where the process's memory is read; tests give their own.
  MemoryWatch::Options memory;
  // A reader that takes longer for one message (at most kMaxMapPartBytes of a
  // map) is ended. At least 1 ms.
  absl::Duration stall_timeout = absl::Seconds(30);
  // A request message that is not complete so long after the call's headers
  // ends the call. At least 1 ms.
  absl::Duration receive_timeout = absl::Seconds(60);
  // Deadline of calls that bring none, and the latest of all. At least 1 ms.
  absl::Duration max_deadline = absl::Minutes(15);
  // Connections are closed after their age, streams under way end first, so
  // that clients find new servers. Infinite: never.
  absl::Duration max_connection_age = absl::InfiniteDuration();
  // Calls of one connection at once. Above what the engine admits, since calls
  // beyond it wait unseen inside the client. At least 1.
  int max_concurrent_streams = 1024;
  // An engine with work that makes no step for so long hangs: it is not alive,
  // and what is in flight ends with UNAVAILABLE. At least 1 ms.
  absl::Duration stuck_after = absl::Minutes(5);
  // How often readers and the engine are looked at.
  absl::Duration watch_interval = absl::Milliseconds(250);
  // Records calls; null: none. Must outlive the server.
  const tracing::Tracer* tracer = nullptr;
  std::string version = "0.0.0";

  absl::Status Validate() const;
};

// What ends a server for good.
enum class ServerFault { kEngineFailed, kDeaf };

// The gRPC side of the process: one listener with SpatialReasoningService,
// health and, by option, reflection; the watchdog thread, which ends stalled
// readers, watches memory and keeps the health service true; and, with TLS or
// tokens, the thread that reads certificates, revocation lists and tokens
// again.
//
// Listens from Start on; inference is refused with LOADING until the serving
// state has an engine. Thread-safe.
class Server {
 public:
  // What is given must outlive the server, and its engine too.
  // `on_fault` is called from the server's own threads, once for each fault:
  // the engine failed or hangs, or the listener accepts no connection any more.
  // UNAVAILABLE: cannot listen; others: options or files.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const ServerOptions& options, const ServingState* serving_state,
      metrics::ServerMetrics* metrics, const base::Clock* clock,
      std::function<void(ServerFault)> on_fault);
  // Shuts down with no time left.
  ~Server();

  // With the port that was bound.
  const base::ListenAddress& address() const { return address_; }

  // That of the port for probes, where there is one.
  std::optional<base::ListenAddress> health_address() const;

  // Whether the health service says SERVING (while the engine is well).
  void SetReady(bool ready) ABSL_LOCKS_EXCLUDED(mutex_);

  // Closes the listener, lets calls under way end for at most `grace`, cancels
  // the rest, and returns when none is left. The engine must have ended its
  // requests, or end them when cancelled. Idempotent; blocks.
  void Shutdown(absl::Duration grace);

 private:
  class Impl;

  Server();
  void Watch() ABSL_LOCKS_EXCLUDED(mutex_);
  void UpdateHealthLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Time in which the process itself did not run is not the engine's.
  void NoticePauseLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::unique_ptr<Impl> impl_;   // constant after Start
  base::ListenAddress address_;  // constant after Start
  base::Mutex mutex_;
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;
  bool failure_told_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time last_watch_ ABSL_GUARDED_BY(mutex_);
  absl::Time awake_since_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  // What the health service was told last: telling it wakes every watcher.
  std::optional<Health> told_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_SERVER_H_
