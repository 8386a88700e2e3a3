#ifndef COOPER_SERVER_KSERVE_INFERENCE_SERVICE_H_
#define COOPER_SERVER_KSERVE_INFERENCE_SERVICE_H_

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "inference/grpc_service.pb.h"
#include "server/kserve/inference_call.h"
#include "server/kserve/inference_models.h"
#include "server/rpc/caller_check.h"
#include "server/rpc/event_stream.h"
#include "server/rpc/limits.h"
#include "server/rpc/method_table.h"
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
class InferenceService final {
 public:
  static constexpr char kName[] = "inference.GRPCInferenceService";

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

  // Adds its methods; it must outlive the table.
  void AddTo(rpc::MethodTable* methods);

 private:
  // Adds a unary method that needs no engine.
  template <typename Request, typename Response>
  void AddInfo(rpc::MethodTable* methods, const char* name,
               absl::Status (InferenceService::*answer)(const Request& request,
                                                        Response* response));
  // Adds a method that is refused, with what there is to say about it.
  void AddRefusal(rpc::MethodTable* methods, const char* name,
                  const char* words);

  absl::Status ServerLive(const inference::ServerLiveRequest& request,
                          inference::ServerLiveResponse* response);
  absl::Status ServerReady(const inference::ServerReadyRequest& request,
                           inference::ServerReadyResponse* response);
  absl::Status ModelReady(const inference::ModelReadyRequest& request,
                          inference::ModelReadyResponse* response);
  absl::Status ServerMetadata(const inference::ServerMetadataRequest& request,
                              inference::ServerMetadataResponse* response);
  absl::Status ModelMetadata(const inference::ModelMetadataRequest& request,
                             inference::ModelMetadataResponse* response);
  absl::Status ModelConfig(const inference::ModelConfigRequest& request,
                           inference::ModelConfigResponse* response);

  absl::Status ModelStatistics(const inference::ModelStatisticsRequest& request,
                               inference::ModelStatisticsResponse* response);
  absl::Status RepositoryIndex(const inference::RepositoryIndexRequest& request,
                               inference::RepositoryIndexResponse* response);
  absl::Status SystemSharedMemoryStatus(
      const inference::SystemSharedMemoryStatusRequest& request,
      inference::SystemSharedMemoryStatusResponse* response);
  absl::Status CudaSharedMemoryStatus(
      const inference::CudaSharedMemoryStatusRequest& request,
      inference::CudaSharedMemoryStatusResponse* response);

  rpc::Reactor* ModelInfer(rpc::CallContext* context);
  rpc::Reactor* ModelStreamInfer(rpc::CallContext* context);

  absl::StatusOr<const InferenceModel*> Find(const std::string& name,
                                             const std::string& version) const;
  // Parses and runs a request of a caller who was checked, or says why not.
  absl::Status Begin(const rpc::CallContext& context,
                     const grpc::ByteBuffer& bytes, engine::Method method,
                     rpc::EventStream* call, InferenceAnswer* answer);

  const rpc::CallerCheck caller_check_;
  const rpc::RpcLimits limits_;
  const rpc::StreamEnvironment environment_;
  const ServerState& state_;
  const std::string server_version_;
};

}  // namespace cooper::kserve

#endif  // COOPER_SERVER_KSERVE_INFERENCE_SERVICE_H_
