#include "client/cli/line_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace cooper::client {
namespace {

// A longer line is taken in pieces.
constexpr size_t kLongestLine = size_t{1} << 20;

}  // namespace

LineReader::LineReader(int fd) : fd_(fd) {
  if (pipe2(stop_, O_CLOEXEC) != 0) ended_ = true;
}

LineReader::~LineReader() {
  for (const int end : stop_) {
    if (end >= 0) close(end);
  }
}

void LineReader::Stop() {
  const char byte = 0;
  [[maybe_unused]] const ssize_t written = write(stop_[1], &byte, 1);
}

bool LineReader::Wait() const {
  std::array<pollfd, 2> fds = {pollfd{fd_, POLLIN, 0},
                               pollfd{stop_[0], POLLIN, 0}};
  while (poll(fds.data(), fds.size(), /*timeout=*/-1) < 0) {
    if (errno != EINTR) return false;
  }
  return fds[1].revents == 0;
}

std::optional<std::string> LineReader::Next() {
  while (true) {
    const size_t end = buffer_.find('\n');
    if (end != std::string::npos || buffer_.size() >= kLongestLine ||
        (ended_ && !buffer_.empty())) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end == std::string::npos ? end : end + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      return line;
    }
    if (ended_ || !Wait()) return std::nullopt;
    std::array<char, 4096> bytes;
    const ssize_t count = read(fd_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count > 0) {
      buffer_.append(bytes.data(), static_cast<size_t>(count));
    } else {
      ended_ = true;
    }
  }
}

}  // namespace cooper::client
