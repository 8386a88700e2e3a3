#include "tests/bench/bare_server.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>
#include <set>
#include <string>
#include <thread>

#include "base/check.h"
#include "base/mutex.h"
#include "cooper/v1/spatial_reasoning.grpc.pb.h"
#include "tests/bench/bench_server.h"

namespace cooper::bench {
namespace {

class Stream;

// The open streams. Thread-safe.
class Streams {
 public:
  void Add(Stream* stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    open_.insert(stream);
  }
  void Remove(Stream* stream) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    open_.erase(stream);
  }
  void WriteAll(char letter) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  base::Mutex mutex_;
  std::set<Stream*> open_ ABSL_GUARDED_BY(mutex_);
};

class Stream final : public grpc::ServerWriteReactor<v1::Event> {
 public:
  Stream(Streams* streams, bool endless)
      : streams_(streams), endless_(endless) {
    streams_->Add(this);
    if (endless_) Write('A');
  }

  // Nothing where the last message is not written yet.
  void Write(char letter) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    if (busy_ || ended_) return;
    busy_ = true;
    v1::TextDelta* text = message_.mutable_text_delta();
    text->set_channel(v1::TEXT_CHANNEL_PLAIN);
    text->set_text(std::string(1, letter));
    StartWrite(&message_);
  }

 private:
  void OnWriteDone(bool ok) override {
    {
      base::MutexLock lock(&mutex_);
      busy_ = false;
      if (!ok) cancelled_ = true;
      FinishIfCancelledLocked();
    }
    if (endless_) Write('A');
  }
  void OnCancel() override {
    base::MutexLock lock(&mutex_);
    cancelled_ = true;
    FinishIfCancelledLocked();
  }
  void OnDone() override {
    streams_->Remove(this);
    delete this;
  }
  void FinishIfCancelledLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (busy_ || ended_ || !cancelled_) return;
    ended_ = true;
    Finish(grpc::Status::CANCELLED);
  }

  Streams* const streams_;
  const bool endless_;
  base::Mutex mutex_;
  v1::Event message_ ABSL_GUARDED_BY(mutex_);
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

void Streams::WriteAll(char letter) {
  base::MutexLock lock(&mutex_);
  for (Stream* stream : open_) stream->Write(letter);
}

class Service final : public v1::SpatialReasoningService::CallbackService {
 public:
  Service(Streams* streams, bool endless)
      : streams_(streams), endless_(endless) {}
  grpc::ServerWriteReactor<v1::Event>* Reason(
      grpc::CallbackServerContext*, const v1::ReasonRequest*) override {
    return new Stream(streams_, endless_);
  }

 private:
  Streams* const streams_;
  const bool endless_;
};

}  // namespace

class BareServer::Impl {
 public:
  explicit Impl(absl::Duration period)
      : service_(&streams_, period == absl::ZeroDuration()) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    COOPER_CHECK(server_ != nullptr);
    if (period == absl::ZeroDuration()) return;
    pacer_ = std::thread(
        [this, step = absl::ToChronoNanoseconds(period)] { Pace(step); });
  }
  ~Impl() {
    stop_ = true;
    if (pacer_.joinable()) pacer_.join();
    server_->Shutdown(std::chrono::system_clock::now());
  }

  int port() const { return port_; }
  const BatchStamps& stamps() const { return stamps_; }

 private:
  void Pace(std::chrono::nanoseconds step) {
    auto due = std::chrono::steady_clock::now();
    while (!stop_) {
      due += step;
      std::this_thread::sleep_until(due);
      streams_.WriteAll(BatchStamps::Letter(stamps_.Mark()));
    }
  }

  Streams streams_;
  Service service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  BatchStamps stamps_;
  std::atomic<bool> stop_{false};
  std::thread pacer_;
};

BareServer::BareServer(absl::Duration period)
    : impl_(std::make_unique<Impl>(period)) {}
BareServer::~BareServer() = default;

int BareServer::port() const { return impl_->port(); }

std::unique_ptr<client::Client> BareServer::Connect() const {
  return ConnectTo(port());
}

const BatchStamps& BareServer::stamps() const { return impl_->stamps(); }

}  // namespace cooper::bench
