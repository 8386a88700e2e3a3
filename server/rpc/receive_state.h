#ifndef COOPER_SERVER_RPC_RECEIVE_STATE_H_
#define COOPER_SERVER_RPC_RECEIVE_STATE_H_

#include <optional>
#include <utility>

#include "absl/time/time.h"

namespace cooper::rpc {

// Where a call with one request message is until it has that message. It says
// exactly once what the call does next: begin with the request, or end without
// one.
//
// Not thread-safe: the call's lock guards it.
class ReceiveState {
 public:
  enum class Next {
    kNothing,    // the message is awaited, or the call has gone on
    kRequest,    // the message is there
    kNoRequest,  // it will not come: the call was cancelled, or has none
    kLate        // it was not complete in time
  };

  // The message is being read.
  void Begin(absl::Time now) { begun_ = now; }

  // The read has ended. gRPC fails it for a cancelled call too, and may say
  // that the call is cancelled (`cancelled`, OnCancel) a moment later.
  Next OnRead(bool ok, bool cancelled, absl::Time now) {
    if (ok) return Go(Next::kRequest);
    if (cancelled) return Go(Next::kNoRequest);
    failed_ = now;
    return Next::kNothing;
  }
  Next OnCancel() {
    return failed_.has_value() ? Go(Next::kNoRequest) : Next::kNothing;
  }
  // `timeout`: from Begin to the whole message.
  Next OnTick(absl::Time now, absl::Duration timeout) {
    if (failed_.has_value()) {
      return now - *failed_ < kCancelDelay ? Next::kNothing
                                           : Go(Next::kNoRequest);
    }
    return begun_.has_value() && now - *begun_ > timeout ? Go(Next::kLate)
                                                         : Next::kNothing;
  }

 private:
  // How much later than a failed read a call may learn that it was cancelled.
  static constexpr absl::Duration kCancelDelay = absl::Milliseconds(100);

  Next Go(Next next) {
    failed_.reset();
    return std::exchange(begun_, std::nullopt).has_value() ? next
                                                           : Next::kNothing;
  }

  std::optional<absl::Time> begun_;   // until the call goes on
  std::optional<absl::Time> failed_;  // when the read failed
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_RECEIVE_STATE_H_
