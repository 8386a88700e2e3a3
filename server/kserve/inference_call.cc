#include "server/kserve/inference_call.h"

#include "server/rpc/entrance.h"
#include "server/rpc/status.h"

namespace cooper::kserve {

grpc::Status BuildResponse(absl::FunctionRef<absl::Status()> build) {
  return rpc::ToGrpcStatus(rpc::CatchAll(build));
}

bool UnaryInference::StartNextWrite(rpc::EventWriter* writer) {
  if (const engine::Event* event = writer->TakeEvent()) {
    reply().Take(*event, &response_);
  }
  return false;
}

void UnaryInference::StartFinish(const grpc::Status& status) {
  if (!status.ok()) {
    Finish(status);
    return;
  }
  builders_.Post([this] {
    response_ = header();
    Finish(BuildResponse([this] { return reply().Finish(&response_); }));
  });
}

}  // namespace cooper::kserve
