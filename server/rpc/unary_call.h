#ifndef COOPER_SERVER_RPC_UNARY_CALL_H_
#define COOPER_SERVER_RPC_UNARY_CALL_H_

#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "server/rpc/message.h"
#include "server/rpc/method_table.h"
#include "server/rpc/receive_state.h"
#include "server/rpc/stall_watch.h"
#include "server/rpc/stream_environment.h"

namespace cooper::rpc {

// A unary call that needs no engine: its request is read, answered and counted.
// Lives from the handler to OnDone, where it deletes itself.
class UnaryCall final : public Reactor, public StallWatch::Stream {
 public:
  // Fills the response's bytes from the request's. Never blocks.
  using Answer = std::function<absl::Status(const grpc::ByteBuffer& request,
                                            grpc::ByteBuffer* response)>;

  // `environment` is copied; what it points to outlives the call.
  UnaryCall(const StreamEnvironment& environment, CallContext* context,
            engine::Method method);

  // Reads the request and answers it, or ends the call with `checked` where
  // that is an error.
  void Start(const absl::Status& checked, Answer answer)
      ABSL_LOCKS_EXCLUDED(mutex_);

  void OnTick(absl::Time now) override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void OnReadDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override;
  // Does what the state says, which it is asked under the lock.
  void Go(absl::FunctionRef<ReceiveState::Next()> next_locked)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void End(const absl::Status& end);

  const StreamEnvironment environment_;
  CallContext* const context_;
  const engine::Method method_;
  const absl::Time started_;
  Answer answer_;              // constant after Start
  grpc::ByteBuffer request_;   // gRPC's until it is read
  grpc::ByteBuffer response_;  // gRPC's once it is written
  base::Mutex mutex_;
  ReceiveState receiving_ ABSL_GUARDED_BY(mutex_);
};

// The answer of a method with these messages.
template <typename Request, typename Response>
UnaryCall::Answer AnswerWith(
    const MessageLimits& limits,
    std::function<absl::Status(const Request& request, Response* response)>
        method) {
  return [limits, method = std::move(method)](const grpc::ByteBuffer& bytes,
                                              grpc::ByteBuffer* out) {
    Request request;
    absl::Status status = ParseMessage(bytes, limits, &request);
    if (!status.ok()) return status;
    Response response;
    status = method(request, &response);
    if (status.ok()) *out = SerializeMessage(response);
    return status;
  };
}

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_UNARY_CALL_H_
