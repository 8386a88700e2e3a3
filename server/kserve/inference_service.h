#ifndef COOPER_SERVER_KSERVE_INFERENCE_SERVICE_H_
#define COOPER_SERVER_KSERVE_INFERENCE_SERVICE_H_

#include <grpcpp/server_context.h>

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "inference/grpc_service.grpc.pb.h"
#include "server/kserve/inference_call.h"
#include "server/kserve/inference_models.h"
#include "server/rpc/caller_check.h"
#include "server/rpc/event_stream.h"
#include "server/rpc/limits.h"
#include "server/rpc/serving_state.h"

namespace cooper::kserve {

// What the server tells its services about itself.
struct ServerState {
  std::atomic<bool> live{true};
  std::atomic<bool> ready{false};
  std::atomic<bool> closing{false};  // shutting down: idle streams end
};

// inference.GRPCInferenceService, the KServe v2 protocol: a map onto the same
// requests and the same engine as SpatialReasoningService (docs/kserve.md).
// Handlers never block. What it is given must outlive it.
class InferenceService final
    : public inference::GRPCInferenceService::CallbackService {
 public:
  InferenceService(const rpc::ServingState* serving_state,
                   const rpc::RpcLimits& limits,
                   const rpc::StreamEnvironment& environment,
                   const rpc::CallerCredentials& credentials,
                   const ServerState* state, std::string server_version)
      : caller_check_(serving_state, environment.clock, credentials),
        limits_(limits),
        environment_(environment),
        state_(*state),
        server_version_(std::move(server_version)) {}

  grpc::ServerUnaryReactor* ServerLive(
      grpc::CallbackServerContext* context,
      const inference::ServerLiveRequest* request,
      inference::ServerLiveResponse* response) override;
  grpc::ServerUnaryReactor* ServerReady(
      grpc::CallbackServerContext* context,
      const inference::ServerReadyRequest* request,
      inference::ServerReadyResponse* response) override;
  grpc::ServerUnaryReactor* ModelReady(
      grpc::CallbackServerContext* context,
      const inference::ModelReadyRequest* request,
      inference::ModelReadyResponse* response) override;
  grpc::ServerUnaryReactor* ServerMetadata(
      grpc::CallbackServerContext* context,
      const inference::ServerMetadataRequest* request,
      inference::ServerMetadataResponse* response) override;
  grpc::ServerUnaryReactor* ModelMetadata(
      grpc::CallbackServerContext* context,
      const inference::ModelMetadataRequest* request,
      inference::ModelMetadataResponse* response) override;
  grpc::ServerUnaryReactor* ModelConfig(
      grpc::CallbackServerContext* context,
      const inference::ModelConfigRequest* request,
      inference::ModelConfigResponse* response) override;
  grpc::ServerUnaryReactor* ModelInfer(
      grpc::CallbackServerContext* context,
      const inference::ModelInferRequest* request,
      inference::ModelInferResponse* response) override;
  grpc::ServerBidiReactor<inference::ModelInferRequest,
                          inference::ModelStreamInferResponse>*
  ModelStreamInfer(grpc::CallbackServerContext* context) override;

 private:
  // An RPC that needs no engine: checks the caller, then answers.
  template <typename Answer>
  grpc::ServerUnaryReactor* Tell(grpc::CallbackServerContext* context,
                                 const Answer& answer);
  absl::StatusOr<const InferenceModel*> Find(const std::string& name,
                                             const std::string& version) const;
  // Parses and runs a request of a caller who was checked, or says why not.
  absl::Status Begin(const grpc::CallbackServerContext& context,
                     const inference::ModelInferRequest& request,
                     engine::Method method, InferenceCall* call);

  const rpc::CallerCheck caller_check_;
  const rpc::RpcLimits limits_;
  const rpc::StreamEnvironment environment_;
  const ServerState& state_;
  const std::string server_version_;
};

}  // namespace cooper::kserve

#endif  // COOPER_SERVER_KSERVE_INFERENCE_SERVICE_H_
