#ifndef COOPER_SERVER_RPC_EVENT_STREAM_H_
#define COOPER_SERVER_RPC_EVENT_STREAM_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "server/engine/core/event.h"
#include "server/engine/core/request.h"
#include "server/engine/engine.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/call_deadline.h"
#include "server/rpc/event_writer.h"
#include "server/rpc/outbox.h"
#include "server/rpc/stall_watch.h"
#include "server/rpc/stream_environment.h"
#include "server/tracing/call_trace.h"

namespace cooper::rpc {

// One streaming call, between the engine's events and gRPC's writer: all that
// does not depend on the type of the responses. `RequestCall` and
// `ConverseReactor` add the rest.
//
// Threads: the engine's and its pools' (events), gRPC's (reactions), the
// watchdog's (OnTick); `mutex_` is taken before every operation that is
// started and first in every reaction.
//
// Invariants:
//   - At most one write is in flight.
//   - The engine's end, if it was given the request, is awaited before Finish.
//   - Finish is called exactly once, counted just before.
//   - After the caller went, nothing waits and nothing more is written.
class EventStream : public StallWatch::Stream {
 public:
  EventStream(const StreamEnvironment& environment,
              grpc::CallbackServerContext* context, engine::Method method);
  ~EventStream() override = default;

  // For the log where the call is refused; before Run or Reject, each optional.
  void NameRequest(std::string id) { request_id_ = std::move(id); }
  void NameClient(std::string client) { client_ = std::move(client); }

  // Call exactly one of Run and Reject. `engine` must outlive the stream.
  void Run(engine::Request request, engine::Engine* engine,
           const std::string& model_name) ABSL_LOCKS_EXCLUDED(mutex_);
  void Reject(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  const CallDeadline& deadline() const { return deadline_; }

  void OnTick(absl::Time now) override ABSL_LOCKS_EXCLUDED(mutex_);

 protected:
  // Lets the watchdog call OnTick, until CallDone. Each stream calls it once,
  // when the whole object is constructed.
  void BeginWatch();

  absl::Time started() const { return started_; }
  grpc::CallbackServerContext* context() const { return context_; }
  // Why the caller is gone; kNone: it is there.
  engine::CancelCause gone_cause_locked() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return gone_cause_;
  }

  // What is left to do once `mutex_` is released; null: nothing.
  using AfterUnlock = std::function<void()>;

  // Starts to write the writer's next message, whose bytes it tells HoldLocked;
  // false where it has none.
  virtual bool StartNextWrite(EventWriter* writer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  virtual AfterUnlock StartFinish(const grpc::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // Before StartFinish, where a retry makes sense: puts it into the trailers.
  virtual void TellPushback(int64_t pushback_ms)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A request ended with `*end`, which becomes the call's end unless it is
  // changed to OK and the call stays open. What is returned runs next.
  virtual std::optional<engine::Request> AfterRequestLocked(absl::Status* end)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // An event of the request under way, before it is queued for the client.
  virtual void NoteEventLocked(const engine::Event&)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {}
  // Whether the call stays open after its last request ended with OK.
  virtual bool StaysOpenLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // For calls of several requests. `Submit` what was begun, not under the lock.
  void BeginLocked(const engine::Request& request, engine::Engine* engine,
                   const std::string& model_name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Submit(engine::Request request) ABSL_LOCKS_EXCLUDED(mutex_);
  // No request is under way, and the call goes on.
  bool IdleLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nothing more will be written.
  bool ended_locked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call of an idle stream, or lets it stay idle with OK. For calls
  // whose StartFinish leaves nothing to do.
  void AdvanceIdleLocked(const absl::Status& end)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the request under way.
  void CancelRequestLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The cancelled request is not the call's end.
  void ForgetCancelLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Bytes of messages that the call keeps: while a write is in flight, or until
  // all of the answer is there.
  void HoldLocked(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    held_bytes_ = static_cast<int64_t>(bytes);
  }
  void PushLocked(engine::Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const StreamEnvironment& environment() const { return environment_; }

  // gRPC's reactions. The object may be destroyed after CallDone.
  void WriteDone(bool ok) ABSL_LOCKS_EXCLUDED(mutex_);
  void CallCancelled() ABSL_LOCKS_EXCLUDED(mutex_);
  void CallDone() ABSL_LOCKS_EXCLUDED(mutex_);

  base::Mutex mutex_;

 private:
  class Sink;
  void OnEvent(engine::Event event) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnEngineDone(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  // Starts the next write, or finishes, or does nothing yet.
  AfterUnlock AdvanceLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  AfterUnlock FinishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Cancels the engine's work and drops queued events. Wake the engine after
  // it.
  void DropReaderLocked(engine::CancelCause cause)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Why a call that is cancelled now is cancelled.
  engine::CancelCause CauseNow() const;
  absl::Status EndStatusLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void UpdateBufferLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the reader has taken nothing for longer than it may at `now`.
  bool StalledLocked(absl::Time now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the call for a reader that does not read. Not under the lock.
  void AbortCall() ABSL_LOCKS_EXCLUDED(mutex_);

  // Constant after construction.
  const StreamEnvironment environment_;
  grpc::CallbackServerContext* const context_;
  const engine::Method method_;
  const absl::Time started_;
  const CallDeadline deadline_;
  const std::shared_ptr<tracing::CallTrace> trace_;  // null: not recorded
  const std::string trace_id_;                       // may be empty
  // Constant after Run.
  engine::Engine* engine_ = nullptr;
  std::shared_ptr<engine::CancelToken> cancel_;
  std::string request_id_;
  std::string client_;
  std::string model_name_;
  Outbox outbox_ ABSL_GUARDED_BY(mutex_);
  // What is being written, with the parts of it that follow.
  std::optional<EventWriter> writer_ ABSL_GUARDED_BY(mutex_);
  bool write_in_flight_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the write in flight, or of Finish.
  absl::Time write_started_ ABSL_GUARDED_BY(mutex_);
  int64_t held_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool aborted_ ABSL_GUARDED_BY(mutex_) = false;
  bool reader_gone_ ABSL_GUARDED_BY(mutex_) = false;
  engine::CancelCause gone_cause_ ABSL_GUARDED_BY(mutex_) =
      engine::CancelCause::kNone;
  bool finish_started_ ABSL_GUARDED_BY(mutex_) = false;
  bool admitted_ ABSL_GUARDED_BY(mutex_) = false;
  // Set once the engine (or a refusal) has said how it ended.
  std::optional<absl::Status> engine_end_ ABSL_GUARDED_BY(mutex_);
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  int64_t counted_buffer_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_EVENT_STREAM_H_
