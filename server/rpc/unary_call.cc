#include "server/rpc/unary_call.h"

#include <utility>

#include "server/rpc/call_end.h"

namespace cooper::rpc {

UnaryCall::UnaryCall(const StreamEnvironment& environment, CallContext* context,
                     engine::Method method)
    : environment_(environment),
      context_(context),
      method_(method),
      started_(environment.clock->Now()) {
  environment_.metrics->RpcStarted(method_);
  environment_.stalls->Add(this);
}

void UnaryCall::Start(const absl::Status& checked, Answer answer) {
  if (!checked.ok()) return End(checked);
  answer_ = std::move(answer);
  {
    base::MutexLock lock(&mutex_);
    receiving_.Begin(started_);
  }
  StartRead(&request_);
}

void UnaryCall::OnReadDone(bool ok) {
  const absl::Time now = environment_.clock->Now();
  Go([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return receiving_.OnRead(ok, context_->IsCancelled(), now);
  });
}

void UnaryCall::OnCancel() {
  Go([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return receiving_.OnCancel();
  });
}

void UnaryCall::OnTick(absl::Time now) {
  Go([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return receiving_.OnTick(now, environment_.receive_timeout);
  });
}

void UnaryCall::Go(absl::FunctionRef<ReceiveState::Next()> next_locked) {
  auto next = ReceiveState::Next::kNothing;
  {
    base::MutexLock lock(&mutex_);
    next = next_locked();
  }
  switch (next) {
    case ReceiveState::Next::kNothing:
      return;
    case ReceiveState::Next::kRequest:
      return End(CatchAll([&] { return answer_(request_, &response_); }));
    case ReceiveState::Next::kNoRequest:
      return End(NoRequest(*context_, engine::CancelCause::kNone));
    case ReceiveState::Next::kLate:
      return End(RequestIncomplete(environment_.receive_timeout));
  }
}

void UnaryCall::End(const absl::Status& end) {
  const grpc::Status status =
      EndCall(end, started_, environment_, method_, context_);
  if (status.ok()) {
    StartWriteAndFinish(&response_, grpc::WriteOptions(), status);
  } else {
    Finish(status);
  }
}

void UnaryCall::OnDone() {
  environment_.stalls->Remove(this);
  delete this;
}

}  // namespace cooper::rpc
