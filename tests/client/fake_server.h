#ifndef COOPER_TESTS_CLIENT_FAKE_SERVER_H_
#define COOPER_TESTS_CLIENT_FAKE_SERVER_H_

#include <grpcpp/server.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "cooper/client/event.h"
#include "cooper/v1/spatial_reasoning.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace cooper::client {

// A server that says what a test tells it to, on a free port of the loopback.
// Thread-safe. The destructor cancels calls that still run.
class FakeServer {
 public:
  // What every streaming RPC answers.
  struct Script {
    std::vector<Event> events;
    grpc::Status end;
    // After the events, wait until the client gives up.
    bool hang = false;
  };

  FakeServer();
  ~FakeServer();

  std::string target() const;

  void SetScript(Script script);
  // GetModel answers `model`, after failing `failures` times with `failure`.
  void SetModel(v1::GetModelResponse model, int failures = 0,
                grpc::Status failure = grpc::Status::OK);
  // Services that are not set are NOT_FOUND.
  void SetHealth(const std::string& service,
                 grpc::health::v1::HealthCheckResponse::ServingStatus status);

  // The last request of each kind, and its authorization header.
  v1::ReasonRequest reason() const;
  v1::EstimateDepthRequest estimate_depth() const;
  v1::SegmentRequest segment() const;
  v1::GenerateImageRequest generate_image() const;
  // All messages of conversations.
  std::vector<v1::ConverseRequest> converse() const;
  std::string authorization() const;
  int get_model_calls() const;

  // Waits until a call was cancelled by its client.
  void WaitForCancel();

 private:
  class Service;
  class HealthService;
  class ConverseReactor;

  struct State {
    mutable absl::Mutex mutex;
    Script script ABSL_GUARDED_BY(mutex);
    v1::GetModelResponse model ABSL_GUARDED_BY(mutex);
    int failures ABSL_GUARDED_BY(mutex) = 0;
    grpc::Status failure ABSL_GUARDED_BY(mutex);
    std::map<std::string, grpc::health::v1::HealthCheckResponse::ServingStatus>
        health ABSL_GUARDED_BY(mutex);
    v1::ReasonRequest reason ABSL_GUARDED_BY(mutex);
    v1::EstimateDepthRequest estimate_depth ABSL_GUARDED_BY(mutex);
    v1::SegmentRequest segment ABSL_GUARDED_BY(mutex);
    v1::GenerateImageRequest generate_image ABSL_GUARDED_BY(mutex);
    std::vector<v1::ConverseRequest> converse ABSL_GUARDED_BY(mutex);
    std::string authorization ABSL_GUARDED_BY(mutex);
    int get_model_calls ABSL_GUARDED_BY(mutex) = 0;
    int cancelled ABSL_GUARDED_BY(mutex) = 0;
  };
  class StreamReactor;

  State state_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<HealthService> health_service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

// A status with details: ErrorInfo with `reason`, BadRequest with `field` (if
// not empty), RetryInfo with `retry_ms` (if above 0).
grpc::Status DetailedStatus(grpc::StatusCode code, const std::string& message,
                            const std::string& reason,
                            const std::string& field = "", int retry_ms = 0);

}  // namespace cooper::client

#endif  // COOPER_TESTS_CLIENT_FAKE_SERVER_H_
