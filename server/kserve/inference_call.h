#ifndef COOPER_SERVER_KSERVE_INFERENCE_CALL_H_
#define COOPER_SERVER_KSERVE_INFERENCE_CALL_H_

#include <grpcpp/support/server_callback.h>

#include <optional>
#include <utility>

#include "inference/grpc_service.pb.h"
#include "server/kserve/inference_reply.h"
#include "server/rpc/event_stream.h"

namespace cooper::kserve {

// One request of the KServe protocol, an RPC of its own or one of a stream:
// an EventStream whose events are made into tensors.
class InferenceCall : public rpc::EventStream {
 public:
  InferenceCall(const rpc::StreamEnvironment& environment,
                grpc::CallbackServerContext* context, engine::Method method,
                const inference::ModelInferRequest& request)
      : rpc::EventStream(environment, context, method) {
    header_.set_model_name(request.model_name());
    header_.set_model_version(kInferenceVersion);
    header_.set_id(request.id());
    NameRequest(request.id());
  }

  // What the response is to hold; before Run.
  void Expect(InferenceReply reply, bool empty_final) {
    reply_.emplace(std::move(reply));
    empty_final_ = empty_final;
  }

 protected:
  // What every response has: name, version, id.
  const inference::ModelInferResponse& header() const { return header_; }
  bool empty_final() const { return empty_final_; }
  InferenceReply& reply() { return *reply_; }

 private:
  inference::ModelInferResponse header_;  // constant after construction
  // Constant after Expect, but for what the reply collects.
  std::optional<InferenceReply> reply_;
  bool empty_final_ = false;
};

// ModelInfer: collects the events, answers once. Lives from the handler to
// OnDone, where it deletes itself.
class UnaryInference final : public grpc::ServerUnaryReactor,
                             public InferenceCall {
 public:
  // `response` is gRPC's.
  UnaryInference(const rpc::StreamEnvironment& environment,
                 grpc::CallbackServerContext* context,
                 const inference::ModelInferRequest& request,
                 inference::ModelInferResponse* response)
      : InferenceCall(environment, context, engine::Method::kModelInfer,
                      request),
        response_(*response) {}

 private:
  bool StartNextWrite(rpc::EventWriter* writer) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  AfterUnlock StartFinish(const grpc::Status& status) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnCancel() override { CallCancelled(); }
  void OnDone() override {
    CallDone();
    delete this;
  }

  inference::ModelInferResponse& response_;
};

}  // namespace cooper::kserve

#endif  // COOPER_SERVER_KSERVE_INFERENCE_CALL_H_
