#include "server/kserve/inference_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "server/engine/core/end_status.h"
#include "server/kserve/inference_parser.h"
#include "server/kserve/inference_statistics.h"
#include "server/kserve/inference_stream.h"
#include "server/rpc/call_end.h"
#include "server/rpc/message.h"
#include "server/rpc/unary_call.h"

namespace cooper::kserve {
namespace {

using engine::Method;

constexpr char kServerName[] = "cooper_server";

constexpr char kFixedModel[] =
    "the served model is chosen when the server starts";
constexpr char kNoSharedMemory[] =
    "the server shares no memory with its clients; send tensors in requests";
constexpr char kFixedSettings[] =
    "traces and logs are set by flags when the server starts";

// Methods of Triton's extensions that this server has no use for.
constexpr std::pair<const char*, const char*> kRefused[] = {
    {"RepositoryModelLoad", kFixedModel},
    {"RepositoryModelUnload", kFixedModel},
    {"SystemSharedMemoryRegister", kNoSharedMemory},
    {"SystemSharedMemoryUnregister", kNoSharedMemory},
    {"CudaSharedMemoryRegister", kNoSharedMemory},
    {"CudaSharedMemoryUnregister", kNoSharedMemory},
    {"TraceSetting", kFixedSettings},
    {"LogSettings", kFixedSettings}};

std::string MethodPath(const char* name) {
  return absl::StrCat("/", InferenceService::kName, "/", name);
}

}  // namespace

void InferenceService::AddTo(rpc::MethodTable* methods) {
  AddInfo(methods, "ServerLive", &InferenceService::ServerLive);
  AddInfo(methods, "ServerReady", &InferenceService::ServerReady);
  AddInfo(methods, "ModelReady", &InferenceService::ModelReady);
  AddInfo(methods, "ServerMetadata", &InferenceService::ServerMetadata);
  AddInfo(methods, "ModelMetadata", &InferenceService::ModelMetadata);
  AddInfo(methods, "ModelConfig", &InferenceService::ModelConfig);
  AddInfo(methods, "ModelStatistics", &InferenceService::ModelStatistics);
  AddInfo(methods, "RepositoryIndex", &InferenceService::RepositoryIndex);
  AddInfo(methods, "SystemSharedMemoryStatus",
          &InferenceService::SystemSharedMemoryStatus);
  AddInfo(methods, "CudaSharedMemoryStatus",
          &InferenceService::CudaSharedMemoryStatus);
  for (const auto& [name, words] : kRefused) AddRefusal(methods, name, words);
  methods->Add(MethodPath("ModelInfer"), [this](rpc::CallContext* context) {
    return ModelInfer(context);
  });
  methods->Add(
      MethodPath("ModelStreamInfer"),
      [this](rpc::CallContext* context) { return ModelStreamInfer(context); });
}

template <typename Request, typename Response>
void InferenceService::AddInfo(
    rpc::MethodTable* methods, const char* name,
    absl::Status (InferenceService::*answer)(const Request&, Response*)) {
  methods->Add(MethodPath(name), [this, answer](rpc::CallContext* context) {
    auto* call =
        new rpc::UnaryCall(environment_, context, Method::kInferenceInfo);
    call->Start(caller_check_.Check(*context, Method::kInferenceInfo),
                rpc::AnswerWith<Request, Response>(
                    environment_.message_limits,
                    [this, answer](const Request& request, Response* response) {
                      return (this->*answer)(request, response);
                    }));
    return call;
  });
}

void InferenceService::AddRefusal(rpc::MethodTable* methods, const char* name,
                                  const char* words) {
  methods->Add(MethodPath(name), [this, words](rpc::CallContext* context) {
    auto* call =
        new rpc::UnaryCall(environment_, context, Method::kInferenceInfo);
    absl::Status status = caller_check_.Check(*context, Method::kInferenceInfo);
    status.Update(
        engine::ErrorStatus(engine::ErrorReason::kUnimplemented, words));
    call->Start(status, nullptr);
    return call;
  });
}

absl::StatusOr<const InferenceModel*> InferenceService::Find(
    const std::string& name, const std::string& version) const {
  COOPER_ASSIGN_OR_RETURN(const rpc::ServingState::Serving* serving,
                          caller_check_.CheckLoaded());
  return FindInferenceModel(name, version, *serving->info);
}

absl::Status InferenceService::ServerLive(
    const inference::ServerLiveRequest&,
    inference::ServerLiveResponse* response) {
  response->set_live(state_.live);
  return absl::OkStatus();
}

absl::Status InferenceService::ServerReady(
    const inference::ServerReadyRequest&,
    inference::ServerReadyResponse* response) {
  response->set_ready(state_.ready);
  return absl::OkStatus();
}

absl::Status InferenceService::ModelReady(
    const inference::ModelReadyRequest& request,
    inference::ModelReadyResponse* response) {
  response->set_ready(state_.ready);
  // While loading, its name is not known yet.
  if (!caller_check_.CheckLoaded().ok()) return absl::OkStatus();
  return Find(request.name(), request.version()).status();
}

absl::Status InferenceService::ServerMetadata(
    const inference::ServerMetadataRequest&,
    inference::ServerMetadataResponse* response) {
  response->set_name(kServerName);
  response->set_version(server_version_);
  for (const char* extension :
       {"model_configuration", "statistics", "schedule_policy", "parameters"}) {
    response->add_extensions(extension);
  }
  return absl::OkStatus();
}

absl::Status InferenceService::ModelMetadata(
    const inference::ModelMetadataRequest& request,
    inference::ModelMetadataResponse* response) {
  COOPER_ASSIGN_OR_RETURN(const InferenceModel* model,
                          Find(request.name(), request.version()));
  *response = MakeInferenceMetadata(*model, request.name());
  return absl::OkStatus();
}

absl::Status InferenceService::ModelConfig(
    const inference::ModelConfigRequest& request,
    inference::ModelConfigResponse* response) {
  COOPER_ASSIGN_OR_RETURN(const InferenceModel* model,
                          Find(request.name(), request.version()));
  *response = MakeInferenceConfig(*model, request.name());
  return absl::OkStatus();
}

absl::Status InferenceService::ModelStatistics(
    const inference::ModelStatisticsRequest& request,
    inference::ModelStatisticsResponse* response) {
  COOPER_ASSIGN_OR_RETURN(const rpc::ServingState::Serving* serving,
                          caller_check_.CheckLoaded());
  const std::string& served = serving->info->name;
  const auto add = [&](const InferenceModel& model) {
    *response->add_model_stats() = MakeInferenceStatistics(
        model, absl::StrCat(served, model.suffix), *serving->engine,
        environment_.clock->Now(), absl::Now());
  };
  if (request.name().empty()) {
    for (const InferenceModel& model : InferenceModels()) add(model);
    return absl::OkStatus();
  }
  COOPER_ASSIGN_OR_RETURN(const InferenceModel* model,
                          Find(request.name(), request.version()));
  add(*model);
  return absl::OkStatus();
}

absl::Status InferenceService::RepositoryIndex(
    const inference::RepositoryIndexRequest& request,
    inference::RepositoryIndexResponse* response) {
  if (!request.repository_name().empty()) {
    return engine::InvalidField("repository_name",
                                "must be empty: there is one repository");
  }
  const bool ready = state_.ready;
  const auto serving = caller_check_.CheckLoaded();
  // While loading, its name is not known yet.
  if (!serving.ok() || (request.ready() && !ready)) return absl::OkStatus();
  for (const InferenceModel& model : InferenceModels()) {
    auto* entry = response->add_models();
    entry->set_name(absl::StrCat((*serving)->info->name, model.suffix));
    entry->set_version(kInferenceVersion);
    entry->set_state(ready ? "READY" : "UNAVAILABLE");
    if (!ready) entry->set_reason("the server is draining or has failed");
  }
  return absl::OkStatus();
}

// There are no regions.
absl::Status InferenceService::SystemSharedMemoryStatus(
    const inference::SystemSharedMemoryStatusRequest&,
    inference::SystemSharedMemoryStatusResponse*) {
  return absl::OkStatus();
}

absl::Status InferenceService::CudaSharedMemoryStatus(
    const inference::CudaSharedMemoryStatusRequest&,
    inference::CudaSharedMemoryStatusResponse*) {
  return absl::OkStatus();
}

rpc::Reactor* InferenceService::ModelInfer(rpc::CallContext* context) {
  auto* call = new UnaryInference(environment_, context, Method::kModelInfer);
  call->Start(caller_check_.Check(*context, Method::kModelInfer),
              [this, context, call](const grpc::ByteBuffer& request) {
                return Begin(*context, request, Method::kModelInfer, call,
                             &call->answer());
              });
  return call;
}

rpc::Reactor* InferenceService::ModelStreamInfer(rpc::CallContext* context) {
  const absl::Status checked =
      caller_check_.Check(*context, Method::kModelStreamInfer);
  if (!checked.ok()) {
    auto* refusal =
        new rpc::UnaryCall(environment_, context, Method::kModelStreamInfer);
    refusal->Start(checked, nullptr);
    return refusal;
  }
  InferenceStream::Options options;
  options.environment = environment_;
  options.closing = &state_.closing;
  options.begin = [this, context](const grpc::ByteBuffer& request,
                                  StreamedInference* call) {
    const absl::Status begun = rpc::CatchAll([&] {
      return Begin(*context, request, Method::kModelStreamInfer, call,
                   &call->answer());
    });
    if (!begun.ok()) call->Reject(begun);
  };
  auto* stream = new InferenceStream(std::move(options), context);
  stream->Start();
  return stream;
}

absl::Status InferenceService::Begin(const rpc::CallContext& context,
                                     const grpc::ByteBuffer& bytes,
                                     engine::Method method,
                                     rpc::EventStream* call,
                                     InferenceAnswer* answer) {
  std::string client = caller_check_.ClientOf(context);
  call->NameClient(client);
  inference::ModelInferRequest request;
  COOPER_RETURN_IF_ERROR(rpc::CheckMemory(environment_));
  COOPER_RETURN_IF_ERROR(
      rpc::ParseMessage(bytes, environment_.message_limits, &request));
  answer->SetHeader(request);
  call->NameRequest(request.id());
  COOPER_ASSIGN_OR_RETURN(const rpc::ServingState::Serving* serving,
                          caller_check_.CheckLoaded(call->deadline()));
  const InferenceParser parser(serving->info, &limits_,
                               &serving->engine->options().image_limits,
                               environment_.metrics);
  COOPER_ASSIGN_OR_RETURN(InferenceRequest parsed, parser.Parse(request));
  parsed.engine.method = method;
  parsed.engine.deadline = std::min(call->deadline().time(),
                                    environment_.clock->Now() + parsed.timeout);
  parsed.engine.client = std::move(client);
  answer->Expect(InferenceReply(parsed.model, std::move(parsed.outputs),
                                method == Method::kModelStreamInfer),
                 parsed.empty_final);
  call->Run(std::move(parsed.engine), serving->engine, serving->info->name);
  return absl::OkStatus();
}

}  // namespace cooper::kserve
