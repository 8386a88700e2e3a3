#include "cooper/client/client.h"

#include <grpcpp/client_context.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "client/channel.h"
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

class RpcStream : public EventStream {
 public:
  using Reader = grpc::ClientReader<Event>;

  RpcStream(const CallOptions& options, const std::string& token)
      : options_(options), joiner_(options.max_map_bytes) {
    Prepare(token, options.timeout, &context_);
  }

  ~RpcStream() override {
    if (!ended_) context_.TryCancel();
    End();
  }

  grpc::ClientContext* context() { return &context_; }
  void Start(std::unique_ptr<Reader> reader) { reader_ = std::move(reader); }

  bool Next(Event* event) override {
    while (!ended_ && reader_->Read(event)) {
      if (event->event_case() == Event::EVENT_NOT_SET) continue;
      if (finished_) {
        Break(absl::DataLossError("the server sent events after `finished`"));
        break;
      }
      finished_ = event->has_finished();
      if (!event->has_map()) return true;
      if (Join(event->mutable_map())) return true;
    }
    End();
    return false;
  }

  absl::Status Finish() override {
    if (!broken_.ok()) return broken_;
    if (!status_.ok()) return ToStatus(status_);
    if (!finished_) {
      return absl::DataLossError("the server ended the answer too early");
    }
    return joiner_.CheckComplete();
  }

  void Cancel() override { context_.TryCancel(); }

 private:
  // True if *map can be given to the caller. The joiner checks the parts even
  // where they are given as they are; it then gets copies.
  bool Join(v1::MapResult* map) {
    auto whole =
        options_.join_maps ? joiner_.Add(std::move(*map)) : joiner_.Add(*map);
    if (!whole.ok()) {
      Break(whole.status());
      return false;
    }
    if (!options_.join_maps) return true;
    if (!whole->has_value()) return false;
    *map = **std::move(whole);
    return true;
  }

  void Break(absl::Status status) {
    broken_ = std::move(status);
    context_.TryCancel();
  }

  void End() {
    if (ended_) return;
    // Finish needs the stream read to its end, which a cancel brings near.
    Event rest;
    while (reader_->Read(&rest)) {
    }
    status_ = reader_->Finish();
    ended_ = true;
  }

  const CallOptions options_;
  grpc::ClientContext context_;
  std::unique_ptr<Reader> reader_;
  MapJoiner joiner_;
  bool finished_ = false;
  bool ended_ = false;
  grpc::Status status_;
  absl::Status broken_;
};

class RpcConversation : public Conversation {
 public:
  using Stream = grpc::ClientReaderWriter<v1::ConverseRequest, Event>;

  RpcConversation(ServiceStub::Stub* service, const CallOptions& options,
                  const std::string& token)
      : options_(options) {
    joiner_.emplace(options.max_map_bytes);
    Prepare(token, options.timeout, &context_);
    stream_ = service->Converse(&context_);
  }

  ~RpcConversation() override {
    if (!ended_) context_.TryCancel();
    End();
  }

  bool Send(const v1::ConverseRequest& request) override {
    absl::MutexLock lock(&writing_);
    return !closed_ && stream_->Write(request);
  }

  void CloseSending() override {
    absl::MutexLock lock(&writing_);
    if (!closed_) stream_->WritesDone();
    closed_ = true;
  }

  bool Next(Event* event) override {
    while (!ended_ && stream_->Read(event)) {
      if (event->event_case() == Event::EVENT_NOT_SET) continue;
      if (event->has_started()) {
        in_turn_ = true;
        joiner_.emplace(options_.max_map_bytes);
      }
      if (event->has_finished()) broken_.Update(joiner_->CheckComplete());
      if (event->has_finished() || event->has_turn_cancelled())
        in_turn_ = false;
      if (!broken_.ok()) break;
      if (!event->has_map() || Join(event->mutable_map())) return true;
      if (!broken_.ok()) break;
    }
    if (!broken_.ok()) context_.TryCancel();
    End();
    return false;
  }

  absl::Status Finish() override {
    if (!broken_.ok()) return broken_;
    if (!status_.ok()) return ToStatus(status_);
    if (in_turn_) {
      return absl::DataLossError("the server ended the answer too early");
    }
    return absl::OkStatus();
  }

  void Cancel() override { context_.TryCancel(); }

 private:
  // As RpcStream's.
  bool Join(v1::MapResult* map) {
    auto whole =
        options_.join_maps ? joiner_->Add(std::move(*map)) : joiner_->Add(*map);
    broken_.Update(whole.status());
    if (!whole.ok()) return false;
    if (!options_.join_maps) return true;
    if (!whole->has_value()) return false;
    *map = **std::move(whole);
    return true;
  }

  void End() {
    if (ended_) return;
    Event rest;
    while (stream_->Read(&rest)) {
    }
    {
      // Finish closes the sending side, too.
      absl::MutexLock lock(&writing_);
      closed_ = true;
    }
    status_ = stream_->Finish();
    ended_ = true;
  }

  const CallOptions options_;
  grpc::ClientContext context_;
  std::unique_ptr<Stream> stream_;
  absl::Mutex writing_;  // one message at a time
  bool closed_ ABSL_GUARDED_BY(writing_) = false;
  std::optional<MapJoiner> joiner_;  // of the turn
  bool in_turn_ = false;
  bool ended_ = false;
  grpc::Status status_;
  absl::Status broken_;
};

class RpcClient : public Client {
 public:
  RpcClient(const std::shared_ptr<grpc::Channel>& channel, std::string token)
      : service_(ServiceStub::NewStub(channel)),
        health_(HealthStub::NewStub(channel)),
        token_(std::move(token)) {}

  std::unique_ptr<EventStream> Reason(const v1::ReasonRequest& request,
                                      const CallOptions& options) override {
    auto stream = std::make_unique<RpcStream>(options, token_);
    stream->Start(service_->Reason(stream->context(), request));
    return stream;
  }

  std::unique_ptr<EventStream> EstimateDepth(
      const v1::EstimateDepthRequest& request,
      const CallOptions& options) override {
    auto stream = std::make_unique<RpcStream>(options, token_);
    stream->Start(service_->EstimateDepth(stream->context(), request));
    return stream;
  }

  std::unique_ptr<EventStream> Segment(const v1::SegmentRequest& request,
                                       const CallOptions& options) override {
    auto stream = std::make_unique<RpcStream>(options, token_);
    stream->Start(service_->Segment(stream->context(), request));
    return stream;
  }

  std::unique_ptr<EventStream> GenerateImage(
      const v1::GenerateImageRequest& request,
      const CallOptions& options) override {
    auto stream = std::make_unique<RpcStream>(options, token_);
    stream->Start(service_->GenerateImage(stream->context(), request));
    return stream;
  }

  std::unique_ptr<Conversation> Converse(const CallOptions& options) override {
    return std::make_unique<RpcConversation>(service_.get(), options, token_);
  }

  absl::StatusOr<v1::GetModelResponse> GetModel(
      const v1::GetModelRequest& request, const CallOptions& options) override {
    grpc::ClientContext context;
    Prepare(token_, options.timeout, &context);
    v1::GetModelResponse response;
    absl::Status status =
        ToStatus(service_->GetModel(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  absl::StatusOr<ServingState> Health(absl::string_view service,
                                      const CallOptions& options) override {
    grpc::ClientContext context;
    Prepare(token_, options.timeout, &context);
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(std::string(service));
    grpc::health::v1::HealthCheckResponse response;
    absl::Status status =
        ToStatus(health_->Check(&context, request, &response));
    if (!status.ok()) return status;
    switch (response.status()) {
      case grpc::health::v1::HealthCheckResponse::SERVING:
        return ServingState::kServing;
      case grpc::health::v1::HealthCheckResponse::NOT_SERVING:
        return ServingState::kNotServing;
      default:
        return ServingState::kUnknown;
    }
  }

 private:
  const std::unique_ptr<ServiceStub::Stub> service_;
  const std::unique_ptr<HealthStub::Stub> health_;
  const std::string token_;
};

}  // namespace

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
  return std::make_unique<RpcClient>(*channel, std::move(token));
}

}  // namespace cooper::client
