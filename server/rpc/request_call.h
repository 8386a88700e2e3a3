#ifndef COOPER_SERVER_RPC_REQUEST_CALL_H_
#define COOPER_SERVER_RPC_REQUEST_CALL_H_

#include <functional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "server/rpc/event_stream.h"
#include "server/rpc/method_table.h"
#include "server/rpc/receive_state.h"

namespace cooper::rpc {

// A call with one request message, which is read once the call's headers were
// checked. Lives from the handler to OnDone, where it deletes itself.
class RequestCall : public Reactor, public EventStream {
 public:
  // Parses the request and begins the call's work, or says why not.
  using Begin = std::function<absl::Status(const grpc::ByteBuffer& request)>;

  using EventStream::EventStream;

  // Reads the request and calls `begin` with it, or ends the call with
  // `checked` where that is an error.
  void Start(const absl::Status& checked, Begin begin)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Also ends a call whose request is not complete in time.
  void OnTick(absl::Time now) override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void OnReadDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnWriteDone(bool ok) override { WriteDone(ok); }
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override {
    CallDone();
    delete this;
  }

  Begin begin_;               // constant after Start
  grpc::ByteBuffer request_;  // gRPC's until it is read
  // Does what the state says, which it is asked under the lock.
  void Go(absl::FunctionRef<ReceiveState::Next()> next_locked)
      ABSL_LOCKS_EXCLUDED(mutex_);

  ReceiveState receiving_ ABSL_GUARDED_BY(mutex_);
};

// A server-streaming call of cooper.v1.
class StreamReactor final : public RequestCall {
 public:
  using RequestCall::RequestCall;

 private:
  bool StartNextWrite(EventWriter* writer) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  AfterUnlock StartFinish(const grpc::Status& status) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::ByteBuffer message_;  // gRPC's while a write is in flight
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_REQUEST_CALL_H_
