#ifndef COOPER_SERVER_KSERVE_INFERENCE_CALL_H_
#define COOPER_SERVER_KSERVE_INFERENCE_CALL_H_

#include <optional>
#include <utility>

#include "inference/grpc_service.pb.h"
#include "server/kserve/inference_reply.h"
#include "server/rpc/request_call.h"

namespace cooper::kserve {

// What the responses to one request of the KServe protocol are made of.
class InferenceAnswer {
 public:
  // What every response to `request` has: name, version, id.
  void SetHeader(const inference::ModelInferRequest& request) {
    header_.set_model_name(request.model_name());
    header_.set_model_version(kInferenceVersion);
    header_.set_id(request.id());
  }
  // What the response is to hold; before the engine has the request.
  void Expect(InferenceReply reply, bool empty_final) {
    reply_.emplace(std::move(reply));
    empty_final_ = empty_final;
  }

  const inference::ModelInferResponse& header() const { return header_; }
  bool empty_final() const { return empty_final_; }
  InferenceReply& reply() { return *reply_; }

 private:
  inference::ModelInferResponse header_;
  // Constant after Expect, but for what the reply collects.
  std::optional<InferenceReply> reply_;
  bool empty_final_ = false;
};

// ModelInfer: collects the events, answers once.
class UnaryInference final : public rpc::RequestCall {
 public:
  using RequestCall::RequestCall;

  InferenceAnswer& answer() { return answer_; }

 private:
  bool StartNextWrite(rpc::EventWriter* writer) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  AfterUnlock StartFinish(const grpc::Status& status) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  InferenceAnswer answer_;
  inference::ModelInferResponse response_;
  grpc::ByteBuffer written_;  // gRPC's once the call has ended
};

}  // namespace cooper::kserve

#endif  // COOPER_SERVER_KSERVE_INFERENCE_CALL_H_
