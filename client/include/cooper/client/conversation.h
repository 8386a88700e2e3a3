#ifndef COOPER_CLIENT_CONVERSATION_H_
#define COOPER_CLIENT_CONVERSATION_H_

#include <memory>

#include "absl/status/status.h"
#include "cooper/client/event.h"
#include "cooper/v1/spatial_reasoning.pb.h"

namespace cooper::client {

// A Converse call. Next and Finish belong to one thread; all else may come from
// any thread, at any time before the destructor, which cancels what still runs
// and waits for the call to end.
//
// Map ids start anew with every turn; its maps are whole before it is finished.
class Conversation {
 public:
  ~Conversation();

  // Sends a message; the first must be `start`. False: the call has ended, or
  // CloseSending was called. May block while the server reads nothing.
  bool Send(const v1::ConverseRequest& request);
  // No more messages: the server lets its turns end, then the call is over.
  void CloseSending();

  // Waits for the next event. False: there is none any more; see Finish. Events
  // that this library does not know are passed over.
  bool Next(Event* event);
  // How the call ended; call after Next returned false. OK only if every turn
  // that the server began has ended; else the server's status, CANCELLED after
  // Cancel, or DATA_LOSS where the server broke its contract.
  absl::Status Finish();

  // Ends the call soon, not only a turn. Never blocks.
  void Cancel();

 private:
  friend class Client;
  class Impl;
  explicit Conversation(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CONVERSATION_H_
