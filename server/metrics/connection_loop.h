#ifndef COOPER_SERVER_METRICS_CONNECTION_LOOP_H_
#define COOPER_SERVER_METRICS_CONNECTION_LOOP_H_

#include <poll.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "server/metrics/connection.h"
#include "server/metrics/file_descriptor.h"

namespace cooper::metrics {

// Accepts connections and serves them all on the thread that calls Run.
// Not thread-safe.
class ConnectionLoop {
 public:
  // `listening` is non-blocking and listens; when `stop_fd`, which is not
  // owned, is readable, Run returns. `collect` makes the metrics' text.
  ConnectionLoop(FileDescriptor listening, int stop_fd, int max_connections,
                 absl::Duration timeout, std::function<std::string()> collect);

  // Blocks until stopped; then everything is closed with *this.
  void Run();

 private:
  // Waits for a socket, a deadline or the end; returns false at the end.
  bool Wait();
  absl::Duration UntilNextDeadline(absl::Time now) const;
  // Each connection that is ready takes its step.
  void Proceed();
  // All that have been asked, with one collection.
  void AnswerAsked();
  void DropClosed();
  // As many are being served as may be.
  bool Full() const;
  // Those who wait, as far as there is room.
  void Accept();
  void Admit(FileDescriptor socket, absl::Time now);

  const base::Clock* const clock_ = base::Clock::Real();
  const FileDescriptor listening_;
  const int stop_fd_;
  const size_t max_connections_;
  const absl::Duration timeout_;
  const std::function<std::string()> collect_;
  std::vector<Connection> connections_;
  // Of stop_fd_, listening_ and connections_, in that order, as of Wait.
  std::vector<pollfd> polled_;
  // While file descriptors are short.
  absl::Time accept_again_ = absl::InfinitePast();
};

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_CONNECTION_LOOP_H_
