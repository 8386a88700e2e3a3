#include "server/rpc/event_stream.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/logging.h"
#include "server/rpc/call_log.h"
#include "server/rpc/status.h"
#include "server/rpc/trace.h"

namespace cooper::rpc {
namespace {

// How long a reader may take nothing while the answers' budget is full.
constexpr absl::Duration kStallWhenFull = absl::Seconds(1);

}  // namespace

// The engine owns it; it dies before its stream does.
class EventStream::Sink final : public engine::EventSink {
 public:
  explicit Sink(EventStream* stream) : stream_(stream) {}
  void OnEvent(engine::Event event) override {
    stream_->OnEvent(std::move(event));
  }
  void OnDone(const absl::Status& status) override {
    stream_->OnEngineDone(status);
  }

 private:
  EventStream* const stream_;
};

EventStream::EventStream(const StreamEnvironment& environment,
                         grpc::CallbackServerContext* context,
                         engine::Method method)
    : environment_(environment),
      context_(context),
      method_(method),
      started_(environment.clock->Now()),
      deadline_(WireDeadline(context->raw_deadline()), *environment.clock,
                environment.max_deadline),
      trace_(BeginTrace(environment.tracer, *context, method)),
      trace_id_(trace_ == nullptr ? TraceIdOf(*context) : trace_->trace_id()),
      outbox_(environment.max_outbox_bytes) {
  environment_.metrics->RpcStarted(method_);
}

void EventStream::BeginWatch() { environment_.stalls->Add(this); }

void EventStream::BeginLocked(const engine::Request& request,
                              engine::Engine* engine,
                              const std::string& model_name) {
  if (engine_ == nullptr) engine_ = engine;
  cancel_ = request.cancel;
  request_id_ = request.id;
  client_ = request.client;
  model_name_ = model_name;
  admitted_ = true;
  engine_end_.reset();
}

void EventStream::Run(engine::Request request, engine::Engine* engine,
                      const std::string& model_name) {
  auto gone = engine::CancelCause::kNone;
  {
    base::MutexLock lock(&mutex_);
    gone = gone_cause_;
    if (!reader_gone_) BeginLocked(request, engine, model_name);
  }
  // The caller went while the request was read.
  if (gone != engine::CancelCause::kNone) {
    return Reject(CancelledError(gone, engine::Phase::kQueue));
  }
  Submit(std::move(request));
}

engine::CancelCause EventStream::CauseNow() const {
  return deadline_.Passed(environment_.clock->Now())
             ? engine::CancelCause::kDeadline
             : engine::CancelCause::kClient;
}

void EventStream::Submit(engine::Request request) {
  request.trace = trace_;
  request.trace_id = trace_id_;
  const absl::Status admitted =
      engine_->Submit(std::move(request), std::make_unique<Sink>(this));
  if (admitted.ok()) return;
  {
    base::MutexLock lock(&mutex_);
    admitted_ = false;
  }
  Reject(admitted);
}

void EventStream::Reject(const absl::Status& status) {
  COOPER_CHECK(!status.ok());
  OnEngineDone(status);
}

void EventStream::OnEvent(engine::Event event) {
  bool overfull = false;
  AfterUnlock after;
  {
    base::MutexLock lock(&mutex_);
    if (reader_gone_) return;
    NoteEventLocked(event);
    outbox_.Push(std::move(event));
    UpdateBufferLocked();
    overfull = outbox_.overfull() || environment_.answers->must_drop();
    if (overfull) {
      environment_.metrics->StreamStalled();
      DropReaderLocked(engine::CancelCause::kStall);
    }
    after = AdvanceLocked();
    UpdateBufferLocked();
  }
  // The engine has not said its last word, so the stream is still there.
  if (overfull) AbortCall();
  if (after) after();
}

void EventStream::OnEngineDone(const absl::Status& status) {
  std::optional<engine::Request> next;
  AfterUnlock after;
  {
    base::MutexLock lock(&mutex_);
    absl::Status end = status;
    next = AfterRequestLocked(&end);
    if (next.has_value()) {
      BeginLocked(*next, engine_, model_name_);
    } else {
      engine_end_ = end;
    }
    // Events that came before an error are partial but true: they go out first.
    after = AdvanceLocked();
    UpdateBufferLocked();
  }
  // What has begun keeps the stream alive.
  if (next.has_value()) Submit(*std::move(next));
  if (after) after();
}

void EventStream::AdvanceIdleLocked(const absl::Status& end) {
  engine_end_ = end;
  const AfterUnlock after = AdvanceLocked();
  COOPER_CHECK(after == nullptr);
  UpdateBufferLocked();
}

void EventStream::WriteDone(bool ok) {
  bool wake = false;
  AfterUnlock after;
  {
    base::MutexLock lock(&mutex_);
    write_in_flight_ = false;
    held_bytes_ = 0;
    if (!ok && !reader_gone_) {
      DropReaderLocked(CauseNow());
      wake = !engine_end_.has_value();
    }
    // An unfinished engine keeps the stream alive past the lock.
    after = AdvanceLocked();
    UpdateBufferLocked();
  }
  if (wake) engine_->Wake();
  if (after) after();
}

void EventStream::CallCancelled() {
  bool wake = false;
  AfterUnlock after;
  {
    base::MutexLock lock(&mutex_);
    if (finish_started_) return;
    if (!reader_gone_) {
      DropReaderLocked(CauseNow());
    }
    wake = !engine_end_.has_value() && engine_ != nullptr;
    after = AdvanceLocked();
    UpdateBufferLocked();
  }
  // CallDone comes after this reaction, so the stream is still there.
  if (wake) engine_->Wake();
  if (after) after();
}

void EventStream::OnTick(absl::Time now) {
  {
    base::MutexLock lock(&mutex_);
    if (reader_gone_ || aborted_ || !StalledLocked(now)) return;
    environment_.metrics->StreamStalled();
    if (finish_started_) {
      aborted_ = true;
    } else {
      DropReaderLocked(engine::CancelCause::kStall);
      UpdateBufferLocked();
    }
  }
  // The watch's own lock keeps the stream alive.
  AbortCall();
}

bool EventStream::StalledLocked(absl::Time now) const {
  if (!write_in_flight_ && !finish_started_) return false;
  const absl::Duration stalled = now - write_started_;
  return stalled > environment_.stall_timeout ||
         (stalled > kStallWhenFull && environment_.answers->full());
}

void EventStream::AbortCall() {
  // The write in flight fails at once, which lets Finish follow: trailers
  // would only queue up behind it.
  context_->TryCancel();
  if (engine_ != nullptr) engine_->Wake();
}

void EventStream::CallDone() {
  environment_.stalls->Remove(this);
  base::MutexLock lock(&mutex_);
  outbox_.Clear();
  writer_.reset();
  held_bytes_ = 0;
  UpdateBufferLocked();
  // The engine logs how what it admitted ended; here is the rest.
  if (!admitted_ || end_.code() != engine_end_->code()) {
    LogCall(method_, end_, {request_id_, client_, trace_id_}, *context_,
            environment_.clock->Now() - started_);
  }
}

EventStream::AfterUnlock EventStream::AdvanceLocked() {
  if (write_in_flight_ || finish_started_) return nullptr;
  if (!reader_gone_) {
    while (writer_.has_value() || !outbox_.empty()) {
      if (!writer_.has_value()) writer_.emplace(outbox_.Pop(), model_name_);
      // Set first: the reaction may come before the start returns.
      write_in_flight_ = true;
      write_started_ = environment_.clock->Now();
      if (StartNextWrite(&*writer_)) return nullptr;
      write_in_flight_ = false;
      writer_.reset();
    }
  }
  if (!engine_end_.has_value()) return nullptr;
  if (reader_gone_ || !engine_end_->ok() || !StaysOpenLocked()) {
    return FinishLocked();
  }
  return nullptr;
}

EventStream::AfterUnlock EventStream::FinishLocked() {
  finish_started_ = true;
  end_ = EndStatusLocked();
  if (const auto pushback = RetryPushbackMs(end_)) TellPushback(*pushback);
  const grpc::Status status = ToGrpcStatus(end_);
  CountEnd(end_, method_, environment_.metrics);
  const absl::Time now = environment_.clock->Now();
  write_started_ = now;
  environment_.metrics->RpcFinished(method_, status.error_code(),
                                    now - started_);
  EndTrace(trace_.get(), end_, now);
  return StartFinish(status);
}

void EventStream::TellPushback(int64_t pushback_ms) {
  context_->AddTrailingMetadata("grpc-retry-pushback-ms",
                                absl::StrCat(pushback_ms));
}

absl::Status EventStream::EndStatusLocked() const {
  const engine::CancelCause cause =
      cancel_ == nullptr ? engine::CancelCause::kNone : cancel_->cause();
  if (!engine_end_->ok()) return EndOfCancelled(*engine_end_, cause);
  if (!reader_gone_) return absl::OkStatus();
  // All work was done, but the reader did not get all of it.
  return CancelledError(cause, engine::Phase::kWrite);
}

void EventStream::DropReaderLocked(engine::CancelCause cause) {
  reader_gone_ = true;
  gone_cause_ = cause;
  if (cancel_ != nullptr) cancel_->Cancel(cause);
  outbox_.Clear();
  // The message in flight is the reactor's own; what follows it goes.
  writer_.reset();
}

std::optional<engine::Request> EventStream::AfterRequestLocked(absl::Status*) {
  return std::nullopt;
}

bool EventStream::StaysOpenLocked() const { return false; }

bool EventStream::ended_locked() const {
  return finish_started_ || reader_gone_;
}

bool EventStream::IdleLocked() const {
  return engine_end_.has_value() && engine_end_->ok() && !ended_locked();
}

void EventStream::CancelRequestLocked() {
  cancel_->Cancel(engine::CancelCause::kClient);
}

void EventStream::ForgetCancelLocked() {
  cancel_ = std::make_shared<engine::CancelToken>();
}

void EventStream::PushLocked(engine::Event event) {
  outbox_.Push(std::move(event));
}

void EventStream::UpdateBufferLocked() {
  const int64_t bytes = outbox_.bytes() + held_bytes_ +
                        (writer_.has_value() ? writer_->bytes() : 0);
  if (bytes == counted_buffer_bytes_) return;
  environment_.answers->Add(bytes - counted_buffer_bytes_);
  environment_.metrics->AddStreamBuffer(bytes - counted_buffer_bytes_);
  counted_buffer_bytes_ = bytes;
}

}  // namespace cooper::rpc
