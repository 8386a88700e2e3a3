#ifndef COOPER_SERVER_RPC_SERVICE_H_
#define COOPER_SERVER_RPC_SERVICE_H_

#include <string>

#include "absl/status/status.h"
#include "cooper/v1/spatial_reasoning.pb.h"
#include "server/rpc/caller_check.h"
#include "server/rpc/converse_reactor.h"
#include "server/rpc/limits.h"
#include "server/rpc/method_table.h"
#include "server/rpc/request_call.h"
#include "server/rpc/serving_state.h"

namespace cooper::rpc {

// cooper.v1.SpatialReasoningService: checks the caller, reads and parses the
// request, hands it over to the engine. Handlers never block. What it is given
// must outlive it.
class SpatialReasoningService final {
 public:
  static constexpr char kName[] = "cooper.v1.SpatialReasoningService";

  SpatialReasoningService(const ServingState* serving_state,
                          const RpcLimits& limits,
                          const StreamEnvironment& environment,
                          const CallerCredentials& credentials,
                          std::string server_version)
      : caller_check_(serving_state, environment.clock, credentials),
        limits_(limits),
        environment_(environment),
        server_version_(std::move(server_version)) {}

  // Adds its methods; it must outlive the table.
  void AddTo(MethodTable* methods);

 private:
  template <typename Request>
  Reactor* Stream(CallContext* context, engine::Method method);
  Reactor* Converse(CallContext* context);
  Reactor* GetModel(CallContext* context);

  // Parses and runs the request, or says why not.
  template <typename Request>
  absl::Status Begin(const CallContext& context, const grpc::ByteBuffer& bytes,
                     EventStream* stream);
  absl::Status BeginConverse(const CallContext& context,
                             ConverseReactor* reactor);
  absl::Status AnswerGetModel(const v1::GetModelRequest& request,
                              v1::GetModelResponse* response);

  const CallerCheck caller_check_;
  const RpcLimits limits_;
  const StreamEnvironment environment_;
  const std::string server_version_;
};

// Answers a call of an unknown method with UNIMPLEMENTED and counts it under
// one label.
Reactor* AnswerUnknownMethod(const StreamEnvironment& environment,
                             CallContext* context);

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_SERVICE_H_
