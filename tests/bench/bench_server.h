#ifndef COOPER_TESTS_BENCH_BENCH_SERVER_H_
#define COOPER_TESTS_BENCH_BENCH_SERVER_H_

#include <prometheus/registry.h>

#include <memory>

#include "cooper/client/client.h"
#include "model/unified_model.h"
#include "server/engine/engine.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/serving_state.h"
#include "server/server.h"

namespace cooper::bench {

// A client with a connection of its own to `port` of this machine.
std::unique_ptr<client::Client> ConnectTo(int port);

// A whole server in this process, on a free port of the loopback interface.
class BenchServer {
 public:
  BenchServer(std::unique_ptr<model::UnifiedModel> model,
              const engine::EngineOptions& options);
  ~BenchServer();

  int port() const { return server_->address().port; }
  std::unique_ptr<client::Client> Connect() const;
  // Returns once no request is queued or running.
  void AwaitIdle() const;

 private:
  prometheus::Registry registry_;
  metrics::ServerMetrics metrics_{&registry_};
  const std::unique_ptr<model::UnifiedModel> model_;
  std::unique_ptr<engine::Engine> engine_;
  rpc::ServingState serving_state_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_BENCH_SERVER_H_
