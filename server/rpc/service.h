#ifndef COOPER_SERVER_RPC_SERVICE_H_
#define COOPER_SERVER_RPC_SERVICE_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server_context.h>

#include <string>

#include "absl/status/status.h"
#include "cooper/v1/spatial_reasoning.grpc.pb.h"
#include "server/rpc/caller_check.h"
#include "server/rpc/converse_reactor.h"
#include "server/rpc/event_stream.h"
#include "server/rpc/limits.h"
#include "server/rpc/serving_state.h"

namespace cooper::rpc {

// cooper.v1.SpatialReasoningService: checks the caller, parses, hands over to
// the engine. Handlers never block. What it is given must outlive it.
class SpatialReasoningService final
    : public v1::SpatialReasoningService::CallbackService {
 public:
  SpatialReasoningService(const ServingState* serving_state,
                          const RpcLimits& limits,
                          const StreamEnvironment& environment,
                          const CallerCredentials& credentials,
                          std::string server_version)
      : caller_check_(serving_state, environment.clock, credentials),
        limits_(limits),
        environment_(environment),
        server_version_(std::move(server_version)) {}

  grpc::ServerWriteReactor<v1::Event>* Reason(
      grpc::CallbackServerContext* context,
      const v1::ReasonRequest* request) override;
  grpc::ServerWriteReactor<v1::Event>* EstimateDepth(
      grpc::CallbackServerContext* context,
      const v1::EstimateDepthRequest* request) override;
  grpc::ServerWriteReactor<v1::Event>* Segment(
      grpc::CallbackServerContext* context,
      const v1::SegmentRequest* request) override;
  grpc::ServerWriteReactor<v1::Event>* GenerateImage(
      grpc::CallbackServerContext* context,
      const v1::GenerateImageRequest* request) override;
  grpc::ServerBidiReactor<v1::ConverseRequest, v1::Event>* Converse(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;

 private:
  template <typename Request>
  grpc::ServerWriteReactor<v1::Event>* Stream(
      grpc::CallbackServerContext* context, const Request& request,
      engine::Method method);
  // Parses and runs the request, or says why not.
  template <typename Request>
  absl::Status Begin(const grpc::CallbackServerContext& context,
                     const Request& request, EventStream* stream);
  absl::Status BeginConverse(const grpc::CallbackServerContext& context,
                             ConverseReactor* reactor);
  absl::Status AnswerGetModel(const grpc::CallbackServerContext& context,
                              const v1::GetModelRequest& request,
                              v1::GetModelResponse* response);

  const CallerCheck caller_check_;
  const RpcLimits limits_;
  const StreamEnvironment environment_;
  const std::string server_version_;
};

// Answers calls of unknown methods with UNIMPLEMENTED and counts
// them under one label.
class UnknownMethods final : public grpc::CallbackGenericService {
 public:
  explicit UnknownMethods(const StreamEnvironment& environment)
      : environment_(environment) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;

 private:
  const StreamEnvironment environment_;
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_SERVICE_H_
