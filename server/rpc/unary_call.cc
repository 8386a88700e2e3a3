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
    receiving_ = true;
  }
  StartRead(&request_);
}

void UnaryCall::OnReadDone(bool ok) {
  {
    base::MutexLock lock(&mutex_);
    // The call has ended since.
    if (!receiving_) return;
    if (ok) receiving_ = false;
    if (!ok) failed_ = environment_.clock->Now();
  }
  if (ok) return End(CatchAll([&] { return answer_(request_, &response_); }));
  // A cancelled call comes here too, and may say so a moment later.
  if (context_->IsCancelled()) EndWithoutRequest();
}

void UnaryCall::OnCancel() {
  {
    base::MutexLock lock(&mutex_);
    if (!failed_.has_value()) return;
  }
  EndWithoutRequest();
}

void UnaryCall::EndWithoutRequest() {
  {
    base::MutexLock lock(&mutex_);
    if (!std::exchange(receiving_, false)) return;
  }
  End(NoRequest(*context_, engine::CancelCause::kNone));
}

void UnaryCall::OnTick(absl::Time now) {
  bool failed = false;
  {
    base::MutexLock lock(&mutex_);
    if (!receiving_) return;
    failed = failed_.has_value();
    if (failed && now - *failed_ < kCancelDelay) return;
    if (!failed) {
      if (now - started_ <= environment_.receive_timeout) return;
      receiving_ = false;
    }
  }
  if (failed) return EndWithoutRequest();
  End(RequestIncomplete(environment_.receive_timeout));
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
