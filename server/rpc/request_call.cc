#include "server/rpc/request_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/call_end.h"
#include "server/rpc/message.h"

namespace cooper::rpc {

void RequestCall::Start(const absl::Status& checked, Begin begin) {
  if (!checked.ok()) return Reject(checked);
  begin_ = std::move(begin);
  {
    base::MutexLock lock(&mutex_);
    receiving_ = true;
  }
  StartRead(&request_);
}

void RequestCall::OnReadDone(bool ok) {
  {
    base::MutexLock lock(&mutex_);
    // The call has ended since.
    if (!receiving_) return;
    if (ok) receiving_ = false;
    if (!ok) failed_ = environment().clock->Now();
  }
  if (!ok) {
    // A cancelled call comes here too, and may say so a moment later.
    if (context()->IsCancelled()) EndWithoutRequest();
    return;
  }
  const absl::Status begun = CatchAll([&] { return begin_(request_); });
  request_.Clear();
  if (!begun.ok()) Reject(begun);
}

void RequestCall::OnCancel() {
  CallCancelled();
  {
    base::MutexLock lock(&mutex_);
    if (!failed_.has_value()) return;
  }
  EndWithoutRequest();
}

void RequestCall::EndWithoutRequest() {
  auto gone = engine::CancelCause::kNone;
  {
    base::MutexLock lock(&mutex_);
    if (!std::exchange(receiving_, false)) return;
    gone = gone_cause_locked();
  }
  Reject(NoRequest(*context(), gone));
}

void RequestCall::OnTick(absl::Time now) {
  EventStream::OnTick(now);
  bool failed = false;
  {
    base::MutexLock lock(&mutex_);
    if (!receiving_) return;
    failed = failed_.has_value();
    if (failed && now - *failed_ < kCancelDelay) return;
    if (!failed) {
      if (now - started() <= environment().receive_timeout) return;
      receiving_ = false;
    }
  }
  if (failed) return EndWithoutRequest();
  Reject(RequestIncomplete(environment().receive_timeout));
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
