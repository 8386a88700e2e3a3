#include "tests/client/fake_server.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace cooper::client {
// Writes the script's events, one write in flight, then ends or hangs.
class FakeServer::StreamReactor : public grpc::ServerWriteReactor<Event> {
 public:
  StreamReactor(State* state, Script script)
      : state_(*state), script_(std::move(script)) {}

  void Start() { Continue(); }

  void OnWriteDone(bool ok) override {
    if (ok) {
      Continue();
    } else {
      End(grpc::Status::CANCELLED);
    }
  }

  void OnCancel() override {
    {
      absl::MutexLock lock(&state_.mutex);
      ++state_.cancelled;
    }
    End(grpc::Status::CANCELLED);
  }

  void OnDone() override { delete this; }

 private:
  void Continue() {
    if (next_ < script_.events.size()) {
      response_ = script_.events[next_++];
      StartWrite(&response_);
    } else if (!script_.hang) {
      End(script_.end);
    }
  }

  void End(const grpc::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      if (std::exchange(ended_, true)) return;
    }
    Finish(status);
  }

  State& state_;
  const Script script_;
  size_t next_ = 0;
  Event response_;
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

// Answers every question with the script's events; `hang`: only a cancel ends a
// turn. The script's end is the call's, once the client sends no more.
class FakeServer::ConverseReactor
    : public grpc::ServerBidiReactor<v1::ConverseRequest, Event> {
 public:
  ConverseReactor(State* state, Script script)
      : state_(*state), script_(std::move(script)) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      if (!ok) {
        closed_ = true;
      } else {
        absl::MutexLock state_lock(&state_.mutex);
        state_.converse.push_back(request_);
      }
      if (ok && (request_.has_start() || request_.has_ask())) {
        for (const Event& event : script_.events) {
          waiting_.push_back(event);
        }
      } else if (ok && request_.has_cancel() && script_.hang) {
        waiting_.emplace_back().mutable_turn_cancelled();
      }
      ContinueLocked();
    }
    if (ok) StartRead(&request_);
  }
  void OnWriteDone(bool) override {
    absl::MutexLock lock(&mutex_);
    waiting_.pop_front();
    writing_ = false;
    ContinueLocked();
  }
  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    ContinueLocked();
  }
  void OnDone() override { delete this; }

 private:
  void ContinueLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || ended_) return;
    if (!waiting_.empty()) {
      writing_ = true;
      StartWrite(&waiting_.front());
    } else if (closed_) {
      ended_ = true;
      Finish(script_.end);
    }
  }

  State& state_;
  const Script script_;
  v1::ConverseRequest request_;
  absl::Mutex mutex_;
  std::deque<Event> waiting_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

class FakeServer::Service
    : public v1::SpatialReasoningService::CallbackService {
 public:
  explicit Service(State* state) : state_(*state) {}

  grpc::ServerWriteReactor<Event>* Reason(
      grpc::CallbackServerContext* context,
      const v1::ReasonRequest* request) override {
    return Stream(context, *request, &State::reason);
  }
  grpc::ServerWriteReactor<Event>* EstimateDepth(
      grpc::CallbackServerContext* context,
      const v1::EstimateDepthRequest* request) override {
    return Stream(context, *request, &State::estimate_depth);
  }
  grpc::ServerWriteReactor<Event>* Segment(
      grpc::CallbackServerContext* context,
      const v1::SegmentRequest* request) override {
    return Stream(context, *request, &State::segment);
  }
  grpc::ServerWriteReactor<Event>* GenerateImage(
      grpc::CallbackServerContext* context,
      const v1::GenerateImageRequest* request) override {
    return Stream(context, *request, &State::generate_image);
  }

  grpc::ServerBidiReactor<v1::ConverseRequest, Event>* Converse(
      grpc::CallbackServerContext*) override {
    absl::MutexLock lock(&state_.mutex);
    return new ConverseReactor(&state_, state_.script);
  }

  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override {
    grpc::Status status;
    {
      absl::MutexLock lock(&state_.mutex);
      const bool fails = state_.get_model_calls++ < state_.failures;
      status = fails ? state_.failure : grpc::Status::OK;
      *response = state_.model;
    }
    auto* reactor = context->DefaultReactor();
    reactor->Finish(status);
    return reactor;
  }

 private:
  // Keeps the request in `field` of the state.
  template <typename Request>
  grpc::ServerWriteReactor<Event>* Stream(grpc::CallbackServerContext* context,
                                          const Request& request,
                                          Request State::* field) {
    Script script;
    {
      absl::MutexLock lock(&state_.mutex);
      state_.*field = request;
      state_.authorization.clear();
      const auto header = context->client_metadata().find("authorization");
      if (header != context->client_metadata().end()) {
        state_.authorization.assign(header->second.data(),
                                    header->second.size());
      }
      script = state_.script;
    }
    auto* reactor = new StreamReactor(&state_, std::move(script));
    reactor->Start();
    return reactor;
  }

  State& state_;
};

class FakeServer::HealthService
    : public grpc::health::v1::Health::CallbackService {
 public:
  explicit HealthService(State* state) : state_(*state) {}

  grpc::ServerUnaryReactor* Check(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request,
      grpc::health::v1::HealthCheckResponse* response) override {
    grpc::Status status;
    {
      absl::MutexLock lock(&state_.mutex);
      const auto found = state_.health.find(request->service());
      if (found == state_.health.end()) {
        status = grpc::Status(grpc::StatusCode::NOT_FOUND, "unknown service");
      } else {
        response->set_status(found->second);
      }
    }
    auto* reactor = context->DefaultReactor();
    reactor->Finish(status);
    return reactor;
  }

 private:
  State& state_;
};

FakeServer::FakeServer()
    : service_(std::make_unique<Service>(&state_)),
      health_service_(std::make_unique<HealthService>(&state_)) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port_);
  builder.RegisterService(service_.get());
  builder.RegisterService(health_service_.get());
  server_ = builder.BuildAndStart();
}

FakeServer::~FakeServer() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

std::string FakeServer::target() const {
  return absl::StrCat("127.0.0.1:", port_);
}

void FakeServer::SetScript(Script script) {
  absl::MutexLock lock(&state_.mutex);
  state_.script = std::move(script);
}

void FakeServer::SetModel(v1::GetModelResponse model, int failures,
                          grpc::Status failure) {
  absl::MutexLock lock(&state_.mutex);
  state_.model = std::move(model);
  state_.failures = failures;
  state_.failure = std::move(failure);
}

void FakeServer::SetHealth(
    const std::string& service,
    grpc::health::v1::HealthCheckResponse::ServingStatus status) {
  absl::MutexLock lock(&state_.mutex);
  state_.health[service] = status;
}

v1::ReasonRequest FakeServer::reason() const {
  absl::MutexLock lock(&state_.mutex);
  return state_.reason;
}

v1::EstimateDepthRequest FakeServer::estimate_depth() const {
  absl::MutexLock lock(&state_.mutex);
  return state_.estimate_depth;
}

v1::SegmentRequest FakeServer::segment() const {
  absl::MutexLock lock(&state_.mutex);
  return state_.segment;
}

v1::GenerateImageRequest FakeServer::generate_image() const {
  absl::MutexLock lock(&state_.mutex);
  return state_.generate_image;
}

std::vector<v1::ConverseRequest> FakeServer::converse() const {
  absl::MutexLock lock(&state_.mutex);
  return state_.converse;
}

std::string FakeServer::authorization() const {
  absl::MutexLock lock(&state_.mutex);
  return state_.authorization;
}

int FakeServer::get_model_calls() const {
  absl::MutexLock lock(&state_.mutex);
  return state_.get_model_calls;
}

void FakeServer::WaitForCancel() {
  absl::MutexLock lock(&state_.mutex);
  const auto cancelled = [this]() ABSL_SHARED_LOCKS_REQUIRED(state_.mutex) {
    return state_.cancelled > 0;
  };
  state_.mutex.Await(absl::Condition(&cancelled));
}

grpc::Status DetailedStatus(grpc::StatusCode code, const std::string& message,
                            const std::string& reason, const std::string& field,
                            int retry_ms) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("cooper.v1");
  status.add_details()->PackFrom(info);
  if (!field.empty()) {
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(field);
    violation->set_description(message);
    status.add_details()->PackFrom(bad);
  }
  if (retry_ms > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(retry_ms / 1000);
    retry.mutable_retry_delay()->set_nanos(retry_ms % 1000 * 1'000'000);
    status.add_details()->PackFrom(retry);
  }
  return grpc::Status(code, message, status.SerializeAsString());
}

}  // namespace cooper::client
