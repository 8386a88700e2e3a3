#ifndef COOPER_TESTS_SERVER_TEST_SERVER_H_
#define COOPER_TESTS_SERVER_TEST_SERVER_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <prometheus/registry.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/notification.h"
#include "base/mutex.h"
#include "cooper/v1/spatial_reasoning.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "model/fake/fake_model.h"
#include "server/engine/engine.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/serving_state.h"
#include "server/server.h"
#include "tests/server/metrics/scrape.h"

namespace cooper::testing {

// Holds the engine's thread at calls of one kind of a fake model.
class Gate {
 public:
  void CloseFor(fake::FakeModel::Call call) ABSL_LOCKS_EXCLUDED(mutex_);
  void Open() ABSL_LOCKS_EXCLUDED(mutex_);
  // Until the engine stands at the closed gate.
  void AwaitArrival() ABSL_LOCKS_EXCLUDED(mutex_);
  void Pass(fake::FakeModel::Call call) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  base::Mutex mutex_;
  std::optional<fake::FakeModel::Call> closed_for_ ABSL_GUARDED_BY(mutex_);
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;
};

// A server with a fake model in this process, on a real socket.
class TestServer {
 public:
  struct Options {
    rpc::ServerOptions rpc;
    engine::EngineOptions engine;
    fake::FakeScript script;
    bool loaded = true;
    Options();
  };

  explicit TestServer(const Options& options = Options());
  ~TestServer();

  void Load();  // for options.loaded = false
  // A connection of its own, and a stub on one. `fixed_window`: takes 64 KiB
  // unread and not more, however fast they come.
  std::shared_ptr<grpc::Channel> NewChannel(bool fixed_window = false);
  std::unique_ptr<v1::SpatialReasoningService::Stub> NewStub();
  // "SERVING", "NOT_SERVING", or the name of an error code.
  std::string HealthOf(const std::string& service);

  // Ends an empty call of any method ("/package.Service/Method").
  grpc::StatusCode CallMethod(const std::string& method);

  Scrape Collect() const;
  // Once no request is in flight (at most ten seconds); at once if none began.
  Scrape CollectAtRest() const;

  Gate& gate() { return gate_; }
  engine::Engine& engine() { return *engine_; }
  rpc::Server& server() { return *server_; }
  rpc::ServingState& serving_state() { return serving_state_; }
  absl::Notification& engine_failed() { return engine_failed_; }

 private:
  const Options options_;
  prometheus::Registry registry_;
  metrics::ServerMetrics metrics_{&registry_};
  Gate gate_;
  absl::Notification engine_failed_;
  std::unique_ptr<fake::FakeModel> model_;
  std::unique_ptr<engine::Engine> engine_;
  rpc::ServingState serving_state_;
  std::unique_ptr<rpc::Server> server_;
};

// A small PNG.
std::string TestPng(int width = 64, int height = 64);

// A question with one image.
v1::ReasonRequest Question(const std::string& text);

struct Answer {
  std::vector<v1::Event> events;
  grpc::Status status;
};
// Asks and reads to the end.
Answer Ask(v1::SpatialReasoningService::Stub* stub,
           const v1::ReasonRequest& request, grpc::ClientContext* context);
Answer Ask(v1::SpatialReasoningService::Stub* stub,
           const v1::ReasonRequest& request);

// A model that asks for one map and then answers.
TestServer::Options WithMaps();

// Every scenario ends with this: the accounting identity holds at rest.
void ExpectIdentity(const TestServer& server);

// The ErrorInfo of a status; its reason is empty where there is none.
google::rpc::ErrorInfo ErrorInfoOf(const grpc::Status& status);

}  // namespace cooper::testing

#endif  // COOPER_TESTS_SERVER_TEST_SERVER_H_
