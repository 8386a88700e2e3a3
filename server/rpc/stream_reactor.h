#ifndef COOPER_SERVER_RPC_STREAM_REACTOR_H_
#define COOPER_SERVER_RPC_STREAM_REACTOR_H_

#include <grpcpp/support/server_callback.h>

#include "cooper/v1/spatial_reasoning.pb.h"
#include "server/rpc/event_stream.h"

namespace cooper::rpc {

// One server-streaming call. Lives from the handler to OnDone, where it deletes
// itself.
class StreamReactor final : public grpc::ServerWriteReactor<v1::Event>,
                            public EventStream {
 public:
  using EventStream::EventStream;

 private:
  bool StartNextWrite(EventWriter* writer) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!writer->Next(&message_)) return false;
    StartWrite(&message_);
    return true;
  }
  AfterUnlock StartFinish(const grpc::Status& status) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Finish(status);
    return nullptr;
  }

  void OnWriteDone(bool ok) override { WriteDone(ok); }
  void OnCancel() override { CallCancelled(); }
  void OnDone() override {
    CallDone();
    delete this;
  }

  v1::Event message_;  // belongs to gRPC while a write is in flight
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_STREAM_REACTOR_H_
