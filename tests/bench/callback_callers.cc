#include "tests/bench/callback_callers.h"

#include <grpcpp/create_channel.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "cooper/v1/spatial_reasoning.grpc.pb.h"
#include "tests/bench/text_callers.h"

namespace cooper::bench {

// One call after the other.
class CallbackCallers::Caller final {
 public:
  Caller(const std::shared_ptr<grpc::Channel>& channel,
         v1::ReasonRequest request,
         std::function<void(const std::string&)> on_text)
      : stub_(v1::SpatialReasoningService::NewStub(channel)),
        request_(std::move(request)),
        on_text_(std::move(on_text)) {
    base::MutexLock lock(&mutex_);
    call_ = std::make_unique<Call>(this);
  }

  ~Caller() {
    base::MutexLock lock(&mutex_);
    stopped_ = true;
    call_->Cancel();
    mutex_.Await(absl::Condition(&idle_));
  }

 private:
  class Call final : public grpc::ClientReadReactor<v1::Event> {
   public:
    explicit Call(Caller* caller) : caller_(caller) {
      caller_->stub_->async()->Reason(&context_, &caller_->request_, this);
      StartRead(&response_);
      StartCall();
    }
    void Cancel() { context_.TryCancel(); }

   private:
    void OnReadDone(bool ok) override {
      if (!ok) return;
      if (response_.has_text_delta()) {
        caller_->on_text_(response_.text_delta().text());
      }
      StartRead(&response_);
    }
    void OnDone(const grpc::Status&) override { caller_->Ended(); }

    Caller* const caller_;
    grpc::ClientContext context_;
    v1::Event response_;
  };

  void Ended() {
    base::MutexLock lock(&mutex_);
    if (!stopped_) {
      call_ = std::make_unique<Call>(this);
      return;
    }
    idle_ = true;
  }

  const std::unique_ptr<v1::SpatialReasoningService::Stub> stub_;
  const v1::ReasonRequest request_;
  const std::function<void(const std::string&)> on_text_;
  base::Mutex mutex_;
  std::unique_ptr<Call> call_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;
};

CallbackCallers::CallbackCallers(int callers, int port, int tokens,
                                 const OnText& on_text) {
  const auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", port),
                                           grpc::InsecureChannelCredentials());
  for (int i = 0; i < callers; ++i) {
    callers_.push_back(std::make_unique<Caller>(
        channel, TextQuestion(tokens),
        [on_text, i](const std::string& text) { on_text(i, text); }));
  }
}

CallbackCallers::~CallbackCallers() = default;

}  // namespace cooper::bench
