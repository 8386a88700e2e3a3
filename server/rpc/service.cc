#include "server/rpc/service.h"

#include <exception>
#include <utility>

#include "server/base/logging.h"
#include "server/base/status_macros.h"
#include "server/engine/error.h"
#include "server/rpc/call_log.h"
#include "server/rpc/client_name.h"
#include "server/rpc/model_reply.h"
#include "server/rpc/request_parser.h"
#include "server/rpc/status.h"
#include "server/rpc/stream_reactor.h"
#include "server/rpc/trace_context.h"

namespace cooper::rpc {
namespace {

using metrics::Method;

absl::Status LoadingError() {
  engine::ErrorDetails details;
  details.reason = engine::ErrorReason::kLoading;
  return engine::MakeError(details, "the model is being loaded");
}

// What a thrown exception (out of memory, for instance) becomes. Its words
// stay in the log.
absl::Status ExceptionError(const char* what) {
  base::Log(base::LogLevel::kError, "exception in a handler", {{"what", what}});
  engine::ErrorDetails details;
  details.reason = engine::ErrorReason::kEngine;
  return engine::MakeError(details, "internal error");
}

// The value of a metadata key that must be there at most once; empty if absent
// or repeated.
absl::string_view SingleValue(const grpc::CallbackServerContext& context,
                              const char* key) {
  const auto [first, last] = context.client_metadata().equal_range(key);
  if (first == last || std::next(first) != last) return "";
  return absl::string_view(first->second.data(), first->second.size());
}

}  // namespace

grpc::ServerWriteReactor<v1::ReasonResponse>* SpatialReasoningService::Reason(
    grpc::CallbackServerContext* context, const v1::ReasonRequest* request) {
  return Stream<v1::ReasonResponse>(context, *request, Method::kReason);
}

grpc::ServerWriteReactor<v1::EstimateDepthResponse>*
SpatialReasoningService::EstimateDepth(
    grpc::CallbackServerContext* context,
    const v1::EstimateDepthRequest* request) {
  return Stream<v1::EstimateDepthResponse>(context, *request,
                                           Method::kEstimateDepth);
}

grpc::ServerWriteReactor<v1::SegmentResponse>* SpatialReasoningService::Segment(
    grpc::CallbackServerContext* context, const v1::SegmentRequest* request) {
  return Stream<v1::SegmentResponse>(context, *request, Method::kSegment);
}

grpc::ServerWriteReactor<v1::GenerateImageResponse>*
SpatialReasoningService::GenerateImage(
    grpc::CallbackServerContext* context,
    const v1::GenerateImageRequest* request) {
  return Stream<v1::GenerateImageResponse>(context, *request,
                                           Method::kGenerateImage);
}

template <typename Response, typename Request>
grpc::ServerWriteReactor<Response>* SpatialReasoningService::Stream(
    grpc::CallbackServerContext* context, const Request& request,
    metrics::Method method) {
  auto* stream = new StreamReactor<Response>(environment_, context, method);
  absl::Status begun;
  try {
    begun = Begin(*context, request, stream);
  } catch (const std::exception& exception) {
    begun = ExceptionError(exception.what());
  }
  if (!begun.ok()) stream->Reject(begun);
  return stream;
}

template <typename Request>
absl::Status SpatialReasoningService::Begin(
    const grpc::CallbackServerContext& context, const Request& request,
    EventStream* stream) {
  COOPER_RETURN_IF_ERROR(CheckCaller(context));
  const EngineSlot::Serving* serving = slot_.get();
  if (serving == nullptr) return LoadingError();
  const CallDeadline& deadline = stream->deadline();
  if (deadline.time() <= environment_.clock->Now()) {
    return CancelledError(engine::CancelCause::kDeadline,
                          metrics::CancelPhase::kQueue);
  }
  const RequestParser parser(serving->info, &limits_, environment_.metrics);
  COOPER_ASSIGN_OR_RETURN(engine::Request parsed, parser.Parse(request));
  parsed.deadline = deadline.time();
  parsed.client = ClientOf(context);
  parsed.trace_id = TraceIdOf(SingleValue(context, "traceparent"));
  stream->Run(std::move(parsed), serving->engine, serving->info->name);
  return absl::OkStatus();
}

grpc::ServerBidiReactor<v1::ConverseRequest, v1::ConverseResponse>*
SpatialReasoningService::Converse(grpc::CallbackServerContext* context) {
  auto* reactor = new ConverseReactor(environment_, context, &limits_);
  const absl::Status begun = BeginConverse(*context, reactor);
  if (!begun.ok()) reactor->Reject(begun);
  return reactor;
}

absl::Status SpatialReasoningService::BeginConverse(
    const grpc::CallbackServerContext& context, ConverseReactor* reactor) {
  COOPER_RETURN_IF_ERROR(CheckCaller(context));
  const EngineSlot::Serving* serving = slot_.get();
  if (serving == nullptr) return LoadingError();
  reactor->Begin(serving, {ClientOf(context),
                           TraceIdOf(SingleValue(context, "traceparent"))});
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* SpatialReasoningService::GetModel(
    grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
    v1::GetModelResponse* response) {
  metrics::ServerMetrics* metrics = environment_.metrics;
  const absl::Time started = environment_.clock->Now();
  metrics->RpcStarted(Method::kGetModel);
  absl::Status end;
  try {
    end = AnswerGetModel(*context, *request, response);
  } catch (const std::exception& exception) {
    end = ExceptionError(exception.what());
  }
  if (const auto pushback = RetryPushbackMs(end)) {
    context->AddTrailingMetadata("grpc-retry-pushback-ms",
                                 absl::StrCat(*pushback));
  }
  const grpc::Status status = ToGrpcStatus(end);
  CountEnd(end, Method::kGetModel, metrics);
  metrics->RpcFinished(Method::kGetModel, status.error_code(),
                       environment_.clock->Now() - started);
  if (!end.ok()) {
    LogCall(Method::kGetModel, end, /*request_id=*/"", /*trace_id=*/"",
            environment_.clock->Now() - started);
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

absl::Status SpatialReasoningService::AnswerGetModel(
    const grpc::CallbackServerContext& context,
    const v1::GetModelRequest& request, v1::GetModelResponse* response) {
  COOPER_RETURN_IF_ERROR(CheckCaller(context));
  const EngineSlot::Serving* serving = slot_.get();
  if (serving == nullptr) return LoadingError();
  const RequestParser parser(serving->info, &limits_, environment_.metrics);
  COOPER_RETURN_IF_ERROR(parser.CheckModel(request.model()));
  *response = MakeModelReply(*serving->info, limits_, serving->max_running,
                             serving->max_queue, server_version_);
  return absl::OkStatus();
}

std::string SpatialReasoningService::ClientOf(
    const grpc::CallbackServerContext& context) const {
  return ClientNameOf(
      context, tokens_ == nullptr ? "" : SingleValue(context, "authorization"));
}

absl::Status SpatialReasoningService::CheckCaller(
    const grpc::CallbackServerContext& context) {
  if (tokens_ == nullptr ||
      tokens_->Allows(SingleValue(context, "authorization"))) {
    return absl::OkStatus();
  }
  return absl::UnauthenticatedError("a valid bearer token is required");
}

grpc::ServerGenericBidiReactor* UnknownMethods::CreateReactor(
    grpc::GenericCallbackServerContext*) {
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    void OnDone() override { delete this; }
  };
  const absl::Time started = environment_.clock->Now();
  environment_.metrics->RpcStarted(Method::kOther);
  const absl::Status end = absl::UnimplementedError("no such method");
  CountEnd(end, Method::kOther, environment_.metrics);
  const grpc::Status status = ToGrpcStatus(end);
  environment_.metrics->RpcFinished(Method::kOther, status.error_code(),
                                    environment_.clock->Now() - started);
  auto* reactor = new Reactor;
  reactor->Finish(status);
  return reactor;
}

}  // namespace cooper::rpc
