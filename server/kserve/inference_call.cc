#include "server/kserve/inference_call.h"

#include "server/rpc/message.h"

namespace cooper::kserve {

bool UnaryInference::StartNextWrite(rpc::EventWriter* writer) {
  if (const engine::Event* event = writer->TakeEvent()) {
    answer_.reply().Take(*event, &response_);
    HoldLocked(answer_.reply().bytes());
  }
  return false;
}

rpc::EventStream::AfterUnlock UnaryInference::StartFinish(
    const grpc::Status& status) {
  if (!status.ok()) {
    Finish(status);
    return nullptr;
  }
  response_ = answer_.header();
  answer_.reply().Finish(&response_);
  written_ = rpc::SerializeMessage(response_);
  response_.Clear();
  HoldLocked(written_.Length());
  StartWriteAndFinish(&written_, grpc::WriteOptions(), status);
  return nullptr;
}

}  // namespace cooper::kserve
