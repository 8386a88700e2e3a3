#ifndef COOPER_SERVER_RPC_CONVERSE_REACTOR_H_
#define COOPER_SERVER_RPC_CONVERSE_REACTOR_H_

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cooper/v1/spatial_reasoning.pb.h"
#include "server/rpc/event_stream.h"
#include "server/rpc/limits.h"
#include "server/rpc/method_table.h"
#include "server/rpc/serving_state.h"

namespace cooper::rpc {

// One Converse call: turns, one after another, each a request of the engine
// on the same session. Lives from the handler to OnDone, where it deletes
// itself.
//
// One read is in flight, unless as many turns wait as may: then the caller is
// held by flow control. Between turns the watchdog ends the call where the
// server drains, or the session's time to live has passed.
class ConverseReactor final : public Reactor, public EventStream {
 public:
  // Turns that wait for the one under way; their inputs are bounded in bytes
  // by the largest message, too.
  static constexpr size_t kMaxWaiting = 4;

  // `limits` and what is in `environment` outlive it.
  ConverseReactor(const StreamEnvironment& environment,
                  grpc::CallbackServerContext* context,
                  const RpcLimits* limits);

  // This or Reject begins the call's work. `serving` outlives it; `client` is
  // who calls (client_name.h).
  void Begin(const ServingState::Serving* serving, std::string client)
      ABSL_LOCKS_EXCLUDED(mutex_);

  void OnTick(absl::Time now) override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  bool StartNextWrite(EventWriter* writer) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  AfterUnlock StartFinish(const grpc::Status& status) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<engine::Request> AfterRequestLocked(absl::Status* end) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteEventLocked(const engine::Event& event) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool StaysOpenLocked() const override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override { WriteDone(ok); }
  void OnCancel() override { CallCancelled(); }
  void OnDone() override;

  // The turn that the message read asks for; nullopt: it asks for none. Of
  // reads only, which come one at a time.
  absl::StatusOr<std::optional<engine::Request>> ParseTurn();
  absl::StatusOr<engine::Request> ParseStart();
  absl::StatusOr<engine::Request> ParseAsk();
  // Does what the message read asks of the turn under way.
  void SteerLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The caller broke the protocol: ends the call with `status`.
  void FailLocked(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReadOnLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives a turn what is known when it starts only.
  void PrepareTurnLocked(engine::Request* turn)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const RpcLimits& limits_;
  const absl::Duration turn_timeout_;
  // Constant after Begin.
  const ServingState::Serving* serving_ = nullptr;
  std::string client_;
  // Of reads.
  grpc::ByteBuffer received_;                // gRPC's while a read is in flight
  v1::ConverseRequest read_message_;         // of the last read
  std::optional<engine::Request> template_;  // of all turns; set by `start`
  int turns_ = 0;                            // that were asked for

  grpc::ByteBuffer written_;  // gRPC's while a write is in flight
  std::deque<engine::Request> waiting_ ABSL_GUARDED_BY(mutex_);
  int64_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool read_in_flight_ ABSL_GUARDED_BY(mutex_) = false;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool turn_cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool no_more_maps_ ABSL_GUARDED_BY(mutex_) = false;
  // Whether a turn of this call has left the session a context.
  bool has_context_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time idle_since_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<engine::Steering> steering_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_CONVERSE_REACTOR_H_
