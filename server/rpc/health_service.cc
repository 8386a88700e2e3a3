#include "server/rpc/health_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/message.h"

namespace cooper::rpc {
namespace {

constexpr MessageLimits kLimits = {.max_bytes = 1 << 10, .max_elements = 16};
constexpr size_t kMaxWatches = 1000;

}  // namespace

// One call of Check or Watch. Lives from the handler to OnDone, where it
// deletes itself. A slow reader of a watch gets the newest state only.
class HealthService::Call final : public Reactor, public StallWatch::Stream {
 public:
  Call(HealthService* health, bool watch)
      : health_(*health), watch_(watch), started_(health->clock_.Now()) {
    health_.stalls_.Add(this);
    StartRead(&request_);
  }

  // Constant once the request is read.
  const std::string& service() const { return service_; }

  void Tell(Response::ServingStatus state) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    wanted_ = state;
    WriteLocked();
  }

  void End(grpc::StatusCode code, const char* message)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    if (std::exchange(finished_, true)) return;
    Finish(grpc::Status(code, message));
  }

  void OnTick(absl::Time now) override ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      base::MutexLock lock(&mutex_);
      if (received_ || now - started_ <= health_.receive_timeout_) return;
    }
    End(grpc::StatusCode::DEADLINE_EXCEEDED, "the request was not complete");
  }

 private:
  void OnReadDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      base::MutexLock lock(&mutex_);
      received_ = true;
    }
    grpc::health::v1::HealthCheckRequest request;
    if (!ok || !ParseMessage(request_, kLimits, &request).ok()) {
      return End(grpc::StatusCode::INVALID_ARGUMENT,
                 "the request is no HealthCheckRequest");
    }
    service_ = request.service();
    if (watch_) {
      if (health_.Watch(this)) return;
      return End(grpc::StatusCode::RESOURCE_EXHAUSTED,
                 "too many calls watch, or the server ends");
    }
    const Response::ServingStatus state = health_.StateOf(service_);
    if (state == Response::SERVICE_UNKNOWN) {
      return End(grpc::StatusCode::NOT_FOUND, "unknown service");
    }
    base::MutexLock lock(&mutex_);
    if (std::exchange(finished_, true)) return;
    SerializeLocked(state);
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
  }
  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    writing_ = false;
    if (ok) WriteLocked();
  }
  void OnCancel() override { End(grpc::StatusCode::CANCELLED, ""); }
  void OnDone() override {
    health_.stalls_.Remove(this);
    health_.Remove(this);
    // The thread that called Finish may still hold it.
    {
      base::MutexLock lock(&mutex_);
    }
    delete this;
  }

  void WriteLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_ || wanted_ == told_) return;
    told_ = wanted_;
    writing_ = true;
    SerializeLocked(*told_);
    StartWrite(&response_);
  }
  void SerializeLocked(Response::ServingStatus state)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Response response;
    response.set_status(state);
    response_ = SerializeMessage(response);
  }

  HealthService& health_;
  const bool watch_;
  const absl::Time started_;
  grpc::ByteBuffer request_;  // gRPC's until it is read
  std::string service_;
  base::Mutex mutex_;
  bool received_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Response::ServingStatus> wanted_ ABSL_GUARDED_BY(mutex_);
  std::optional<Response::ServingStatus> told_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  // gRPC's while it is written.
  grpc::ByteBuffer response_ ABSL_GUARDED_BY(mutex_);
};

void HealthService::AddTo(MethodTable* methods) {
  methods->Add(absl::StrCat("/", kName, "/Check"),
               [this](CallContext*) { return new Call(this, false); });
  methods->Add(absl::StrCat("/", kName, "/Watch"),
               [this](CallContext*) { return new Call(this, true); });
}

void HealthService::Set(const std::string& service, bool serving) {
  base::MutexLock lock(&mutex_);
  serving_[service] = serving;
  for (Call* call : watches_) call->Tell(StateLocked(call->service()));
}

void HealthService::EndWatches() {
  base::MutexLock lock(&mutex_);
  ended_ = true;
  for (Call* call : watches_) {
    call->End(grpc::StatusCode::UNAVAILABLE, "the server ends");
  }
}

HealthService::Response::ServingStatus HealthService::StateLocked(
    const std::string& service) const {
  const auto found = serving_.find(service);
  if (found == serving_.end()) return Response::SERVICE_UNKNOWN;
  return found->second ? Response::SERVING : Response::NOT_SERVING;
}

HealthService::Response::ServingStatus HealthService::StateOf(
    const std::string& service) {
  base::MutexLock lock(&mutex_);
  return StateLocked(service);
}

bool HealthService::Watch(Call* call) {
  base::MutexLock lock(&mutex_);
  if (ended_ || watches_.size() >= kMaxWatches) return false;
  watches_.insert(call);
  call->Tell(StateLocked(call->service()));
  return true;
}

void HealthService::Remove(Call* call) {
  base::MutexLock lock(&mutex_);
  watches_.erase(call);
}

}  // namespace cooper::rpc
