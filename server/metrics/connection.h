#ifndef COOPER_SERVER_METRICS_CONNECTION_H_
#define COOPER_SERVER_METRICS_CONNECTION_H_

#include <cstddef>
#include <string>

#include "absl/time/time.h"
#include "server/metrics/file_descriptor.h"
#include "server/metrics/request_head.h"

namespace cooper::metrics {

// One connection of the metrics listener: one request, one response, closed.
//
//   kReading -> kAsked -> kWriting -> kLingering -> kClosed
//
// and from any to kClosed when the peer is gone or the time of a state is
// over. In kLingering the response is out and what the peer still sends is
// thrown away: closing at once would reset the connection, and the peer might
// lose the response.
//
// Not thread-safe; nothing blocks.
class Connection {
 public:
  enum class State { kReading, kAsked, kWriting, kLingering, kClosed };

  // `socket` is non-blocking. The head of the request must be there, and the
  // response taken, within `timeout` each.
  Connection(FileDescriptor socket, absl::Duration timeout, absl::Time now);

  State state() const { return state_; }
  int fd() const { return socket_.get(); }
  // poll()'s events that move it on; 0 in kAsked and kClosed.
  short poll_events() const;
  absl::Time deadline() const { return deadline_; }

  // The socket is ready for poll_events().
  void Proceed(absl::Time now);
  // Closes once the deadline is over.
  void CheckDeadline(absl::Time now);

  // In kAsked: what was asked.
  const RequestHead& request() const { return request_; }
  // In kReading and kAsked.
  void Answer(std::string response, absl::Time now);

 private:
  void Read();
  void Write(absl::Time now);
  void Linger();

  FileDescriptor socket_;
  absl::Duration timeout_;
  absl::Time deadline_;
  State state_ = State::kReading;
  std::string received_;
  RequestHead request_;
  std::string response_;
  size_t written_bytes_ = 0;
};

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_CONNECTION_H_
