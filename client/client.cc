#include "cooper/client/client.h"

#include <grpcpp/client_context.h>

#include <chrono>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "client/channel.h"
#include "client/event_checker.h"
#include "cooper/v1/spatial_reasoning.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace cooper::client {
namespace {

using HealthStub = grpc::health::v1::Health;
using ServiceStub = v1::SpatialReasoningService;

absl::Status ToStatus(const grpc::Status& status) {
  return MakeStatus(status.error_code(), status.error_message(),
                    status.error_details());
}

// `context` must be new.
void Prepare(const std::string& token, absl::Duration timeout,
             grpc::ClientContext* context) {
  if (!token.empty()) {
    context->AddMetadata("authorization", absl::StrCat("Bearer ", token));
  }
  // Beyond this, the sum with the clock would overflow.
  if (timeout < absl::Hours(24 * 365)) {
    context->set_deadline(std::chrono::system_clock::now() +
                          absl::ToChronoMicroseconds(timeout));
  }
}

// One streaming call: its context, its events, its end. `Stream` is a reader of
// gRPC's.
template <typename Stream>
class StreamingCall {
 public:
  StreamingCall(EventChecker::Call call, const CallOptions& options,
                const std::string& token)
      : checker_(call, options) {
    Prepare(token, options.timeout, &context_);
  }

  ~StreamingCall() {
    if (!ended_) context_.TryCancel();
    End([] {});
  }

  grpc::ClientContext* context() { return &context_; }
  Stream& stream() { return *stream_; }
  void Start(std::unique_ptr<Stream> stream) { stream_ = std::move(stream); }

  // `before_finish` runs once all events were read.
  template <typename BeforeFinish>
  bool Next(Event* event, BeforeFinish before_finish) {
    while (!ended_ && checker_.broken().ok() && stream_->Read(event)) {
      if (checker_.Accept(event)) return true;
    }
    if (!checker_.broken().ok()) context_.TryCancel();
    End(before_finish);
    return false;
  }

  absl::Status Finish() const {
    if (!checker_.broken().ok()) return checker_.broken();
    if (!status_.ok()) return ToStatus(status_);
    return checker_.AtEnd();
  }

  void Cancel() { context_.TryCancel(); }

 private:
  template <typename BeforeFinish>
  void End(BeforeFinish before_finish) {
    if (ended_) return;
    // Finish needs the stream read to its end, which a cancel brings near.
    Event rest;
    while (stream_->Read(&rest)) {
    }
    before_finish();
    status_ = stream_->Finish();
    ended_ = true;
  }

  grpc::ClientContext context_;
  std::unique_ptr<Stream> stream_;
  EventChecker checker_;
  bool ended_ = false;
  grpc::Status status_;
};

}  // namespace

class EventStream::Impl : public StreamingCall<grpc::ClientReader<Event>> {
 public:
  using StreamingCall::StreamingCall;
};

EventStream::EventStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EventStream::~EventStream() = default;
bool EventStream::Next(Event* event) {
  return impl_->Next(event, [] {});
}
absl::Status EventStream::Finish() { return impl_->Finish(); }
void EventStream::Cancel() { impl_->Cancel(); }

class Conversation::Impl
    : public StreamingCall<
          grpc::ClientReaderWriter<v1::ConverseRequest, Event>> {
 public:
  using StreamingCall::StreamingCall;

  absl::Mutex sending;  // one message at a time
  bool closed ABSL_GUARDED_BY(sending) = false;
};

Conversation::Conversation(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
Conversation::~Conversation() = default;
bool Conversation::Send(const v1::ConverseRequest& request) {
  absl::MutexLock lock(&impl_->sending);
  return !impl_->closed && impl_->stream().Write(request);
}
void Conversation::CloseSending() {
  absl::MutexLock lock(&impl_->sending);
  if (!impl_->closed) impl_->stream().WritesDone();
  impl_->closed = true;
}
bool Conversation::Next(Event* event) {
  return impl_->Next(event, [this] {
    // The call's end closes the sending side, too.
    absl::MutexLock lock(&impl_->sending);
    impl_->closed = true;
  });
}
absl::Status Conversation::Finish() { return impl_->Finish(); }
void Conversation::Cancel() { impl_->Cancel(); }

struct Client::Impl {
  // Starts the streaming call that `method` of the service stands for.
  template <typename Request>
  std::unique_ptr<EventStream> Start(
      std::unique_ptr<grpc::ClientReader<Event>> (ServiceStub::Stub::*method)(
          grpc::ClientContext*, const Request&),
      const Request& request, const CallOptions& options) {
    auto call = std::make_unique<EventStream::Impl>(
        EventChecker::Call::kOneAnswer, options, token);
    call->Start((service.get()->*method)(call->context(), request));
    return std::unique_ptr<EventStream>(new EventStream(std::move(call)));
  }

  // Makes a unary call.
  template <typename Method>
  absl::Status Call(const CallOptions& options, Method method) {
    grpc::ClientContext context;
    Prepare(token, options.timeout, &context);
    return ToStatus(method(&context));
  }

  const std::unique_ptr<ServiceStub::Stub> service;
  const std::unique_ptr<HealthStub::Stub> health;
  const std::string token;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

std::unique_ptr<EventStream> Client::Reason(const v1::ReasonRequest& request,
                                            const CallOptions& options) {
  return impl_->Start(&ServiceStub::Stub::Reason, request, options);
}

std::unique_ptr<EventStream> Client::EstimateDepth(
    const v1::EstimateDepthRequest& request, const CallOptions& options) {
  return impl_->Start(&ServiceStub::Stub::EstimateDepth, request, options);
}

std::unique_ptr<EventStream> Client::Segment(const v1::SegmentRequest& request,
                                             const CallOptions& options) {
  return impl_->Start(&ServiceStub::Stub::Segment, request, options);
}

std::unique_ptr<EventStream> Client::GenerateImage(
    const v1::GenerateImageRequest& request, const CallOptions& options) {
  return impl_->Start(&ServiceStub::Stub::GenerateImage, request, options);
}

std::unique_ptr<Conversation> Client::Converse(const CallOptions& options) {
  auto call = std::make_unique<Conversation::Impl>(
      EventChecker::Call::kConversation, options, impl_->token);
  call->Start(impl_->service->Converse(call->context()));
  return std::unique_ptr<Conversation>(new Conversation(std::move(call)));
}

absl::StatusOr<v1::GetModelResponse> Client::GetModel(
    const v1::GetModelRequest& request, const CallOptions& options) {
  v1::GetModelResponse response;
  absl::Status status = impl_->Call(options, [&](grpc::ClientContext* context) {
    return impl_->service->GetModel(context, request, &response);
  });
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<ServingState> Client::Health(absl::string_view service,
                                            const CallOptions& options) {
  using grpc::health::v1::HealthCheckResponse;
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(std::string(service));
  HealthCheckResponse response;
  absl::Status status = impl_->Call(options, [&](grpc::ClientContext* context) {
    return impl_->health->Check(context, request, &response);
  });
  if (!status.ok()) return status;
  switch (response.status()) {
    case HealthCheckResponse::SERVING:
      return ServingState::kServing;
    case HealthCheckResponse::NOT_SERVING:
      return ServingState::kNotServing;
    default:
      return ServingState::kUnknown;
  }
}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(
    const ClientOptions& options) {
  absl::Status status = options.Validate();
  if (!status.ok()) return status;
  std::string token;
  if (!options.auth_token_file.empty()) {
    auto content = ReadSmallFile(options.auth_token_file, "auth_token_file");
    if (!content.ok()) return content.status();
    token = std::string(absl::StripAsciiWhitespace(*content));
    for (const char c : token) {
      if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) {
        return absl::InvalidArgumentError(
            absl::StrCat("auth_token_file: ", options.auth_token_file,
                         " must hold one token of printable characters"));
      }
    }
  }
  auto channel = CreateChannel(options);
  if (!channel.ok()) return channel.status();
  if (options.connect_timeout > absl::ZeroDuration()) {
    status = WaitUntilConnected(**channel, options);
    if (!status.ok()) return status;
  }
  return std::unique_ptr<Client>(new Client(std::unique_ptr<Impl>(
      new Impl{ServiceStub::NewStub(*channel), HealthStub::NewStub(*channel),
               std::move(token)})));
}

}  // namespace cooper::client
