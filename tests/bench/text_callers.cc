#include "tests/bench/text_callers.h"

#include <grpcpp/create_channel.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "cooper/v1/spatial_reasoning.grpc.pb.h"
#include "tests/bench/require.h"

namespace cooper::bench {

v1::ReasonRequest TextQuestion(int tokens) {
  v1::ReasonRequest request;
  request.add_inputs()->set_text("Which is nearer?");
  request.set_mode(v1::MODE_TEXT_ONLY);
  request.set_max_think_tokens(tokens + 1);  // the start token counts
  return request;
}

std::vector<double> TextTimes(client::Client& client,
                              const v1::ReasonRequest& request) {
  using std::chrono::steady_clock;
  const auto start = steady_clock::now();
  const auto stream = client.Reason(request);
  std::vector<double> times;
  client::Event event;
  while (stream->Next(&event)) {
    if (!event.has_text_delta()) continue;
    const std::chrono::duration<double> time = steady_clock::now() - start;
    times.push_back(time.count());
  }
  Require(stream->Finish());
  return times;
}

std::vector<double> TextGaps(client::Client& client, int tokens) {
  std::vector<double> gaps = TextTimes(client, TextQuestion(tokens));
  for (size_t i = 0; i + 1 < gaps.size(); ++i) gaps[i] = gaps[i + 1] - gaps[i];
  if (!gaps.empty()) gaps.pop_back();
  return gaps;
}

TextCallers::TextCallers(
    int callers,
    const std::function<std::unique_ptr<client::Client>()>& connect, int tokens,
    OnText on_text)
    : request_(TextQuestion(tokens)), on_text_(std::move(on_text)) {
  for (int i = 0; i < callers; ++i) clients_.push_back(connect());
  for (int i = 0; i < callers; ++i) {
    threads_.emplace_back([this, i] { Call(i, *clients_[i]); });
  }
}

TextCallers::~TextCallers() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void TextCallers::Call(int caller, client::Client& client) {
  client::Event event;
  while (!stop_) {
    const auto stream = client.Reason(request_);
    while (!stop_ && stream->Next(&event)) {
      if (event.has_text_delta()) on_text_(caller, event.text_delta().text());
    }
    if (!stop_) Require(stream->Finish());
  }
}

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
