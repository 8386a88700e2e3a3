#include "server/metrics/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

namespace cooper::metrics {
namespace {

// A peer that reads its response closes long before.
constexpr absl::Duration kMaxLinger = absl::Seconds(1);

// After a failed send or recv: worth trying again when poll() says so.
bool MayRetry() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

Connection::Connection(FileDescriptor socket, absl::Duration timeout,
                       absl::Time now)
    : socket_(std::move(socket)), timeout_(timeout), deadline_(now + timeout) {}

short Connection::poll_events() const {
  switch (state_) {
    case State::kReading:
    case State::kLingering:
      return POLLIN;
    case State::kWriting:
      return POLLOUT;
    case State::kAsked:
    case State::kClosed:
      return 0;
  }
  return 0;
}

void Connection::Proceed(absl::Time now) {
  if (state_ == State::kReading) {
    Read();
  } else if (state_ == State::kWriting) {
    Write(now);
  } else if (state_ == State::kLingering) {
    Linger();
  }
}

void Connection::CheckDeadline(absl::Time now) {
  if (now >= deadline_) state_ = State::kClosed;
}

void Connection::Answer(std::string response, absl::Time now) {
  response_ = std::move(response);
  deadline_ = now + timeout_;
  state_ = State::kWriting;
  Write(now);
}

void Connection::Read() {
  char buffer[4096];
  const ssize_t got = recv(fd(), buffer, sizeof(buffer), 0);
  if (got < 0) {
    if (!MayRetry()) state_ = State::kClosed;
    return;
  }
  received_.append(buffer, static_cast<size_t>(got));
  if (received_.empty()) {
    state_ = State::kClosed;
    return;
  }
  std::optional<RequestHead> head = ReadRequestHead(received_);
  if (!head.has_value() && got == 0) {  // no more will come
    head.emplace().status = HttpStatus::kBadRequest;
  }
  if (!head.has_value()) return;
  request_ = *std::move(head);
  state_ = State::kAsked;
}

void Connection::Write(absl::Time now) {
  const ssize_t put = send(fd(), response_.data() + written_bytes_,
                           response_.size() - written_bytes_, MSG_NOSIGNAL);
  if (put < 0) {
    if (!MayRetry()) state_ = State::kClosed;
    return;
  }
  written_bytes_ += static_cast<size_t>(put);
  if (written_bytes_ < response_.size()) return;
  shutdown(fd(), SHUT_WR);
  deadline_ = now + std::min(kMaxLinger, timeout_);
  state_ = State::kLingering;
}

void Connection::Linger() {
  char buffer[4096];
  const ssize_t got = recv(fd(), buffer, sizeof(buffer), 0);
  if (got == 0 || (got < 0 && !MayRetry())) state_ = State::kClosed;
}

}  // namespace cooper::metrics
