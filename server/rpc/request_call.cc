#include "server/rpc/request_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/call_end.h"
#include "server/rpc/message.h"

namespace cooper::rpc {

void RequestCall::Start(const absl::Status& checked, Begin begin) {
  BeginWatch();
  if (!checked.ok()) return Reject(checked);
  begin_ = std::move(begin);
  {
    base::MutexLock lock(&mutex_);
    receiving_.Begin(started());
  }
  StartRead(&request_);
}

void RequestCall::OnReadDone(bool ok) {
  const absl::Time now = environment().clock->Now();
  Go([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return receiving_.OnRead(ok, context()->IsCancelled(), now);
  });
}

void RequestCall::OnCancel() {
  CallCancelled();
  Go([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return receiving_.OnCancel();
  });
}

void RequestCall::OnTick(absl::Time now) {
  EventStream::OnTick(now);
  Go([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return receiving_.OnTick(now, environment().receive_timeout);
  });
}

void RequestCall::Go(absl::FunctionRef<ReceiveState::Next()> next_locked) {
  auto next = ReceiveState::Next::kNothing;
  auto gone = engine::CancelCause::kNone;
  {
    base::MutexLock lock(&mutex_);
    next = next_locked();
    gone = gone_cause_locked();
  }
  switch (next) {
    case ReceiveState::Next::kNothing:
      return;
    case ReceiveState::Next::kRequest: {
      const absl::Status begun = CatchAll([&] { return begin_(request_); });
      request_.Clear();
      if (!begun.ok()) Reject(begun);
      return;
    }
    case ReceiveState::Next::kNoRequest:
      return Reject(NoRequest(*context(), gone));
    case ReceiveState::Next::kLate:
      return Reject(RequestIncomplete(environment().receive_timeout));
  }
}

bool StreamReactor::StartNextWrite(EventWriter* writer) {
  v1::Event event;
  if (!writer->Next(&event)) return false;
  message_ = SerializeMessage(event);
  HoldLocked(message_.Length());
  StartWrite(&message_);
  return true;
}

EventStream::AfterUnlock StreamReactor::StartFinish(
    const grpc::Status& status) {
  Finish(status);
  return nullptr;
}

}  // namespace cooper::rpc
