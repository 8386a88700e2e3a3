#include "server/kserve/inference_service.h"

#include <utility>

#include "base/status_macros.h"
#include "server/kserve/inference_parser.h"
#include "server/kserve/inference_stream.h"
#include "server/rpc/status.h"

namespace cooper::kserve {
namespace {

using engine::Method;

constexpr char kServerName[] = "cooper_server";

}  // namespace

template <typename Answer>
grpc::ServerUnaryReactor* InferenceService::Tell(
    grpc::CallbackServerContext* context, const Answer& answer) {
  return AnswerAtOnce(context, environment_, Method::kInferenceInfo,
                      [&]() -> absl::Status {
                        COOPER_RETURN_IF_ERROR(caller_check_.Check(*context));
                        return answer();
                      });
}

absl::StatusOr<const InferenceModel*> InferenceService::Find(
    const std::string& name, const std::string& version) const {
  COOPER_ASSIGN_OR_RETURN(const rpc::ServingState::Serving* serving,
                          caller_check_.CheckLoaded());
  return FindInferenceModel(name, version, *serving->info);
}

grpc::ServerUnaryReactor* InferenceService::ServerLive(
    grpc::CallbackServerContext* context, const inference::ServerLiveRequest*,
    inference::ServerLiveResponse* response) {
  return Tell(context, [&] {
    response->set_live(state_.live);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ServerReady(
    grpc::CallbackServerContext* context, const inference::ServerReadyRequest*,
    inference::ServerReadyResponse* response) {
  return Tell(context, [&] {
    response->set_ready(state_.ready);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelReady(
    grpc::CallbackServerContext* context,
    const inference::ModelReadyRequest* request,
    inference::ModelReadyResponse* response) {
  return Tell(context, [&]() -> absl::Status {
    response->set_ready(state_.ready);
    // While loading, its name is not known yet.
    if (!caller_check_.CheckLoaded().ok()) return absl::OkStatus();
    return Find(request->name(), request->version()).status();
  });
}

grpc::ServerUnaryReactor* InferenceService::ServerMetadata(
    grpc::CallbackServerContext* context,
    const inference::ServerMetadataRequest*,
    inference::ServerMetadataResponse* response) {
  return Tell(context, [&] {
    response->set_name(kServerName);
    response->set_version(server_version_);
    response->add_extensions("model_configuration");
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelMetadata(
    grpc::CallbackServerContext* context,
    const inference::ModelMetadataRequest* request,
    inference::ModelMetadataResponse* response) {
  return Tell(context, [&]() -> absl::Status {
    COOPER_ASSIGN_OR_RETURN(const InferenceModel* model,
                            Find(request->name(), request->version()));
    *response = MakeInferenceMetadata(*model, request->name());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelConfig(
    grpc::CallbackServerContext* context,
    const inference::ModelConfigRequest* request,
    inference::ModelConfigResponse* response) {
  return Tell(context, [&]() -> absl::Status {
    COOPER_ASSIGN_OR_RETURN(const InferenceModel* model,
                            Find(request->name(), request->version()));
    *response = MakeInferenceConfig(*model, request->name());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelInfer(
    grpc::CallbackServerContext* context,
    const inference::ModelInferRequest* request,
    inference::ModelInferResponse* response) {
  auto* call = new UnaryInference(environment_, context, *request, response);
  const absl::Status begun = rpc::CatchAll([&]() -> absl::Status {
    COOPER_RETURN_IF_ERROR(caller_check_.Check(*context));
    return Begin(*context, *request, Method::kModelInfer, call);
  });
  if (!begun.ok()) call->Reject(begun);
  return call;
}

grpc::ServerBidiReactor<inference::ModelInferRequest,
                        inference::ModelStreamInferResponse>*
InferenceService::ModelStreamInfer(grpc::CallbackServerContext* context) {
  class Refusal final
      : public grpc::ServerBidiReactor<inference::ModelInferRequest,
                                       inference::ModelStreamInferResponse> {
   public:
    void OnDone() override { delete this; }
  };
  const absl::Status checked = caller_check_.Check(*context);
  if (!checked.ok()) {
    auto* refusal = new Refusal;
    refusal->Finish(CountCall(checked, environment_.clock->Now(), environment_,
                              Method::kModelStreamInfer, context));
    return refusal;
  }
  InferenceStream::Options options;
  options.environment = environment_;
  options.closing = &state_.closing;
  options.begin = [this, context](const inference::ModelInferRequest& request,
                                  InferenceCall* call) {
    const absl::Status begun = rpc::CatchAll([&] {
      return Begin(*context, request, Method::kModelStreamInfer, call);
    });
    if (!begun.ok()) call->Reject(begun);
  };
  auto* stream = new InferenceStream(std::move(options), context);
  stream->Start();
  return stream;
}

absl::Status InferenceService::Begin(
    const grpc::CallbackServerContext& context,
    const inference::ModelInferRequest& request, engine::Method method,
    InferenceCall* call) {
  std::string client = caller_check_.ClientOf(context);
  call->NameClient(client);
  COOPER_ASSIGN_OR_RETURN(const rpc::ServingState::Serving* serving,
                          caller_check_.CheckLoaded(call->deadline()));
  const InferenceParser parser(serving->info, &limits_,
                               &serving->engine->options().image_limits,
                               environment_.metrics);
  COOPER_ASSIGN_OR_RETURN(InferenceRequest parsed, parser.Parse(request));
  parsed.engine.method = method;
  parsed.engine.deadline = call->deadline().time();
  parsed.engine.client = std::move(client);
  call->Expect(InferenceReply(parsed.model, std::move(parsed.outputs),
                              method == Method::kModelStreamInfer),
               parsed.empty_final);
  call->Run(std::move(parsed.engine), serving->engine, serving->info->name);
  return absl::OkStatus();
}

}  // namespace cooper::kserve
