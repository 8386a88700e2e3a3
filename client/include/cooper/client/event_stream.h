#ifndef COOPER_CLIENT_EVENT_STREAM_H_
#define COOPER_CLIENT_EVENT_STREAM_H_

#include <memory>

#include "absl/status/status.h"
#include "cooper/client/event.h"

namespace cooper::client {

// The events of one call, pulled by the caller. Next and Finish belong to one
// thread; Cancel may come from any thread, at any time before the destructor.
// The destructor cancels what still runs and waits for the call to end.
class EventStream {
 public:
  ~EventStream();

  // Waits for the next event. False: there is none any more; see Finish. Events
  // that this library does not know (of a newer server) are passed over.
  bool Next(Event* event);

  // How the call ended; call after Next returned false. OK only if the event
  // `finished` came and every map was whole; else the server's status,
  // CANCELLED after Cancel, or DATA_LOSS where the server broke its contract.
  absl::Status Finish();

  // Ends the call soon: the server stops its work on it. Never blocks.
  void Cancel();

 private:
  friend class Client;
  class Impl;
  explicit EventStream(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_EVENT_STREAM_H_
