#include "server/rpc/service.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "server/rpc/call_end.h"
#include "server/rpc/message.h"
#include "server/rpc/model_reply.h"
#include "server/rpc/request_parser.h"
#include "server/rpc/unary_call.h"

namespace cooper::rpc {

using engine::Method;

void SpatialReasoningService::AddTo(MethodTable* methods) {
  const auto add = [&](const char* name, auto handler) {
    methods->Add(absl::StrCat("/", kName, "/", name), handler);
  };
  add("Reason", [this](CallContext* context) {
    return Stream<v1::ReasonRequest>(context, Method::kReason);
  });
  add("EstimateDepth", [this](CallContext* context) {
    return Stream<v1::EstimateDepthRequest>(context, Method::kEstimateDepth);
  });
  add("Segment", [this](CallContext* context) {
    return Stream<v1::SegmentRequest>(context, Method::kSegment);
  });
  add("GenerateImage", [this](CallContext* context) {
    return Stream<v1::GenerateImageRequest>(context, Method::kGenerateImage);
  });
  add("Converse", [this](CallContext* context) { return Converse(context); });
  add("GetModel", [this](CallContext* context) { return GetModel(context); });
}

template <typename Request>
Reactor* SpatialReasoningService::Stream(CallContext* context, Method method) {
  auto* stream = new StreamReactor(environment_, context, method);
  stream->Start(caller_check_.Check(*context, method),
                [this, context, stream](const grpc::ByteBuffer& request) {
                  return Begin<Request>(*context, request, stream);
                });
  return stream;
}

template <typename Request>
absl::Status SpatialReasoningService::Begin(const CallContext& context,
                                            const grpc::ByteBuffer& bytes,
                                            EventStream* stream) {
  std::string client = caller_check_.ClientOf(context);
  stream->NameClient(client);
  COOPER_ASSIGN_OR_RETURN(const ServingState::Serving* serving,
                          caller_check_.CheckLoaded(stream->deadline()));
  Request request;
  COOPER_RETURN_IF_ERROR(CheckMemory(environment_));
  COOPER_RETURN_IF_ERROR(
      ParseMessage(bytes, environment_.message_limits, &request));
  stream->NameRequest(request.request_id());
  const RequestParser parser(serving->info, &limits_,
                             &serving->engine->options().image_limits,
                             environment_.metrics);
  COOPER_ASSIGN_OR_RETURN(engine::Request parsed, parser.Parse(request));
  parsed.deadline = stream->deadline().time();
  parsed.client = std::move(client);
  stream->Run(std::move(parsed), serving->engine, serving->info->name);
  return absl::OkStatus();
}

Reactor* SpatialReasoningService::Converse(CallContext* context) {
  auto* reactor = new ConverseReactor(environment_, context, &limits_);
  const absl::Status begun =
      CatchAll([&] { return BeginConverse(*context, reactor); });
  if (!begun.ok()) reactor->Reject(begun);
  return reactor;
}

absl::Status SpatialReasoningService::BeginConverse(const CallContext& context,
                                                    ConverseReactor* reactor) {
  COOPER_RETURN_IF_ERROR(caller_check_.Check(context, Method::kConverse));
  COOPER_ASSIGN_OR_RETURN(const ServingState::Serving* serving,
                          caller_check_.CheckLoaded());
  reactor->Begin(serving, caller_check_.ClientOf(context));
  return absl::OkStatus();
}

Reactor* SpatialReasoningService::GetModel(CallContext* context) {
  auto* call = new UnaryCall(environment_, context, Method::kGetModel);
  call->Start(caller_check_.Check(*context, Method::kGetModel),
              AnswerWith<v1::GetModelRequest, v1::GetModelResponse>(
                  environment_.message_limits,
                  [this](const auto& request, auto* response) {
                    return AnswerGetModel(request, response);
                  }));
  return call;
}

absl::Status SpatialReasoningService::AnswerGetModel(
    const v1::GetModelRequest& request, v1::GetModelResponse* response) {
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

Reactor* AnswerUnknownMethod(const StreamEnvironment& environment,
                             CallContext* context) {
  auto* call = new UnaryCall(environment, context, Method::kOther);
  call->Start(absl::UnimplementedError("no such method"), nullptr);
  return call;
}

}  // namespace cooper::rpc
