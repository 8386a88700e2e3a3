#include "tests/bench/bench_server.h"

#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "tests/bench/require.h"

namespace cooper::bench {

std::unique_ptr<client::Client> ConnectTo(int port) {
  client::ClientOptions options;
  options.target = absl::StrCat("127.0.0.1:", port);
  options.share_connection = false;
  auto client = client::Client::Connect(options);
  Require(client.status());
  return *std::move(client);
}

BenchServer::BenchServer(std::unique_ptr<model::UnifiedModel> model,
                         const engine::EngineOptions& options)
    : model_(std::move(model)) {
  rpc::ServerOptions rpc;
  rpc.listen = {"127.0.0.1", 0};
  auto server = rpc::Server::Start(rpc, &serving_state_, &metrics_,
                                   base::Clock::Real(), [] {});
  Require(server.status());
  server_ = *std::move(server);
  engine_ = std::make_unique<engine::Engine>(model_.get(), &metrics_,
                                             base::Clock::Real(), options);
  serving_state_.Fill({engine_.get(), &model_->info()});
  server_->SetReady(true);
}

BenchServer::~BenchServer() {
  engine_->Shutdown(absl::InfinitePast());
  server_->Shutdown(absl::ZeroDuration());
}

std::unique_ptr<client::Client> BenchServer::Connect() const {
  return ConnectTo(port());
}

void BenchServer::AwaitIdle() const {
  while (true) {
    const engine::Engine::Load load = engine_->load();
    if (load.queued + load.running == 0) return;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

}  // namespace cooper::bench
