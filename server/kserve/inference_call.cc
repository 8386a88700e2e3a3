#include "server/kserve/inference_call.h"

namespace cooper::kserve {

bool UnaryInference::StartNextWrite(rpc::EventWriter* writer) {
  if (const engine::Event* event = writer->TakeEvent()) {
    reply().Take(*event, &response_);
  }
  return false;
}

rpc::EventStream::AfterUnlock UnaryInference::StartFinish(
    const grpc::Status& status) {
  if (status.ok()) {
    response_ = header();
    reply().Finish(&response_);
  }
  Finish(status);
  return nullptr;
}

}  // namespace cooper::kserve
