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
  auto gone = engine::CancelCause::kNone;
  {
    base::MutexLock lock(&mutex_);
    // The call has ended since.
    if (!std::exchange(receiving_, false)) return;
    gone = gone_cause_locked();
  }
  const absl::Status begun = ok ? CatchAll([&] { return begin_(request_); })
                                : NoRequest(*context(), gone);
  request_.Clear();
  if (!begun.ok()) Reject(begun);
}

void RequestCall::OnTick(absl::Time now) {
  EventStream::OnTick(now);
  {
    base::MutexLock lock(&mutex_);
    if (!receiving_ || now - started() <= environment().receive_timeout) {
      return;
    }
    receiving_ = false;
  }
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
