#include "server/metrics/connection_loop.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/time/clock.h"
#include "server/metrics/http_response.h"

namespace cooper::metrics {
namespace {

// Connections beyond the limit, refused or lingering; yet more are closed
// without a word.
constexpr size_t kMaxBeyond = 32;
// Before accepting is tried again when it failed for want of descriptors.
constexpr absl::Duration kAcceptPause = absl::Milliseconds(100);
// Between two looks at the connections there are.
constexpr int kMaxAcceptsATurn = 64;

// poll()'s. Rounded up: never just before a deadline, for a turn of nothing.
int PollTimeout(absl::Duration wait) {
  if (wait == absl::InfiniteDuration()) return -1;
  wait = absl::Ceil(std::min(wait, absl::Hours(1)), absl::Milliseconds(1));
  return static_cast<int>(absl::ToInt64Milliseconds(wait));
}

}  // namespace

ConnectionLoop::ConnectionLoop(FileDescriptor listening, int stop_fd,
                               int max_connections, absl::Duration timeout,
                               std::function<std::string()> collect)
    : listening_(std::move(listening)),
      stop_fd_(stop_fd),
      max_connections_(static_cast<size_t>(max_connections)),
      timeout_(timeout),
      collect_(std::move(collect)) {}

void ConnectionLoop::Run() {
  while (Wait()) {
    Proceed();
    AnswerAsked();
    DropClosed();
    if (polled_[1].revents != 0) Accept();
  }
}

bool ConnectionLoop::Wait() {
  const absl::Time now = clock_->Now();
  polled_.clear();
  polled_.push_back({stop_fd_, POLLIN, 0});
  const bool accepts = now >= accept_again_;
  polled_.push_back({accepts ? listening_.get() : -1, POLLIN, 0});
  for (const Connection& connection : connections_) {
    polled_.push_back({connection.fd(), connection.poll_events(), 0});
  }
  const int wait_ms = PollTimeout(UntilNextDeadline(now));
  if (poll(polled_.data(), polled_.size(), wait_ms) < 0) {
    // Interrupted: nothing is known of any socket.
    for (pollfd& polled : polled_) polled.revents = 0;
  }
  return polled_[0].revents == 0;
}

absl::Duration ConnectionLoop::UntilNextDeadline(absl::Time now) const {
  absl::Time next = absl::InfiniteFuture();
  if (accept_again_ > now) next = accept_again_;
  for (const Connection& connection : connections_) {
    next = std::min(next, connection.deadline());
  }
  return std::max(next - now, absl::ZeroDuration());
}

void ConnectionLoop::Proceed() {
  const absl::Time now = clock_->Now();
  for (size_t i = 0; i < connections_.size(); ++i) {
    if (polled_[i + 2].revents != 0) connections_[i].Proceed(now);
    connections_[i].CheckDeadline(now);
  }
}

void ConnectionLoop::AnswerAsked() {
  std::string text;
  for (Connection& connection : connections_) {
    if (connection.state() != Connection::State::kAsked) continue;
    const RequestHead& request = connection.request();
    const HttpStatus status = StatusFor(request);
    if (status == HttpStatus::kOk && text.empty()) text = collect_();
    connection.Answer(
        HttpResponse(status, request.method == "HEAD", text, absl::Now()),
        clock_->Now());
  }
}

void ConnectionLoop::DropClosed() {
  connections_.erase(std::remove_if(connections_.begin(), connections_.end(),
                                    [](const Connection& connection) {
                                      return connection.state() ==
                                             Connection::State::kClosed;
                                    }),
                     connections_.end());
}

bool ConnectionLoop::Full() const {
  const auto served = std::count_if(
      connections_.begin(), connections_.end(), [](const Connection& one) {
        return one.state() != Connection::State::kLingering;
      });
  return static_cast<size_t>(served) >= max_connections_;
}

void ConnectionLoop::Accept() {
  for (int i = 0; i < kMaxAcceptsATurn; ++i) {
    // Nobody is refused before the ends that came earlier have been seen.
    if (i > 0 && Full()) return;
    FileDescriptor socket(accept4(listening_.get(), nullptr, nullptr,
                                  SOCK_NONBLOCK | SOCK_CLOEXEC));
    const absl::Time now = clock_->Now();
    if (socket.valid()) {
      Admit(std::move(socket), now);
      continue;
    }
    // A connection that broke before it was accepted is no reason to stop.
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      accept_again_ = now + kAcceptPause;
    }
    return;
  }
}

void ConnectionLoop::Admit(FileDescriptor socket, absl::Time now) {
  if (connections_.size() >= max_connections_ + kMaxBeyond) return;
  const bool refused = Full();
  Connection& connection =
      connections_.emplace_back(std::move(socket), timeout_, now);
  if (!refused) return;
  connection.Answer(HttpResponse(HttpStatus::kUnavailable, /*is_head=*/false,
                                 "", absl::Now()),
                    now);
}

}  // namespace cooper::metrics
