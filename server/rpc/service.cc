#include "server/rpc/service.h"

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "server/rpc/model_reply.h"
#include "server/rpc/request_parser.h"
#include "server/rpc/status.h"
#include "server/rpc/stream_reactor.h"

namespace cooper::rpc {
namespace {

using engine::Method;

}  // namespace

grpc::ServerWriteReactor<v1::Event>* SpatialReasoningService::Reason(
    grpc::CallbackServerContext* context, const v1::ReasonRequest* request) {
  return Stream(context, *request, Method::kReason);
}

grpc::ServerWriteReactor<v1::Event>* SpatialReasoningService::EstimateDepth(
    grpc::CallbackServerContext* context,
    const v1::EstimateDepthRequest* request) {
  return Stream(context, *request, Method::kEstimateDepth);
}

grpc::ServerWriteReactor<v1::Event>* SpatialReasoningService::Segment(
    grpc::CallbackServerContext* context, const v1::SegmentRequest* request) {
  return Stream(context, *request, Method::kSegment);
}

grpc::ServerWriteReactor<v1::Event>* SpatialReasoningService::GenerateImage(
    grpc::CallbackServerContext* context,
    const v1::GenerateImageRequest* request) {
  return Stream(context, *request, Method::kGenerateImage);
}

template <typename Request>
grpc::ServerWriteReactor<v1::Event>* SpatialReasoningService::Stream(
    grpc::CallbackServerContext* context, const Request& request,
    engine::Method method) {
  auto* stream = new StreamReactor(environment_, context, method);
  stream->NameRequest(request.request_id());
  const absl::Status begun =
      CatchAll([&] { return Begin(*context, request, stream); });
  if (!begun.ok()) stream->Reject(begun);
  return stream;
}

template <typename Request>
absl::Status SpatialReasoningService::Begin(
    const grpc::CallbackServerContext& context, const Request& request,
    EventStream* stream) {
  COOPER_RETURN_IF_ERROR(caller_check_.Check(context));
  std::string client = caller_check_.ClientOf(context);
  stream->NameClient(client);
  COOPER_ASSIGN_OR_RETURN(const ServingState::Serving* serving,
                          caller_check_.CheckLoaded(stream->deadline()));
  const RequestParser parser(serving->info, &limits_,
                             &serving->engine->options().image_limits,
                             environment_.metrics);
  COOPER_ASSIGN_OR_RETURN(engine::Request parsed, parser.Parse(request));
  parsed.deadline = stream->deadline().time();
  parsed.client = std::move(client);
  stream->Run(std::move(parsed), serving->engine, serving->info->name);
  return absl::OkStatus();
}

grpc::ServerBidiReactor<v1::ConverseRequest, v1::Event>*
SpatialReasoningService::Converse(grpc::CallbackServerContext* context) {
  auto* reactor = new ConverseReactor(environment_, context, &limits_);
  const absl::Status begun =
      CatchAll([&] { return BeginConverse(*context, reactor); });
  if (!begun.ok()) reactor->Reject(begun);
  return reactor;
}

absl::Status SpatialReasoningService::BeginConverse(
    const grpc::CallbackServerContext& context, ConverseReactor* reactor) {
  COOPER_RETURN_IF_ERROR(caller_check_.Check(context));
  COOPER_ASSIGN_OR_RETURN(const ServingState::Serving* serving,
                          caller_check_.CheckLoaded());
  reactor->Begin(serving, caller_check_.ClientOf(context));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* SpatialReasoningService::GetModel(
    grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
    v1::GetModelResponse* response) {
  return AnswerAtOnce(context, environment_, Method::kGetModel, [&] {
    return AnswerGetModel(*context, *request, response);
  });
}

absl::Status SpatialReasoningService::AnswerGetModel(
    const grpc::CallbackServerContext& context,
    const v1::GetModelRequest& request, v1::GetModelResponse* response) {
  COOPER_RETURN_IF_ERROR(caller_check_.Check(context));
  COOPER_ASSIGN_OR_RETURN(const ServingState::Serving* serving,
                          caller_check_.CheckLoaded());
  const RequestParser parser(serving->info, &limits_,
                             &serving->engine->options().image_limits,
                             environment_.metrics);
  COOPER_RETURN_IF_ERROR(parser.CheckModel(request.model()));
  *response = MakeModelReply(*serving->info, limits_,
                             serving->engine->options(), server_version_);
  return absl::OkStatus();
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
