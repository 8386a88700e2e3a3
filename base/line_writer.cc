#include "base/line_writer.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <utility>

namespace cooper::base {

bool WriteFully(int fd, absl::string_view data) {
  while (!data.empty()) {
    const ssize_t written = write(fd, data.data(), data.size());
    if (written >= 0) {
      data.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      // Another process made the open file non-blocking.
      pollfd room{fd, POLLOUT, 0};
      poll(&room, 1, /*timeout=*/-1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

LineWriter::LineWriter(int fd, const Limits& limits,
                       const std::string& thread_name,
                       std::function<std::string(int64_t)> note)
    : fd_(fd), limits_(limits), note_(std::move(note)) {
  thread_ = std::thread([this, thread_name] {
    pthread_setname_np(pthread_self(), thread_name.c_str());
    Run();
  });
}

LineWriter::~LineWriter() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void LineWriter::Write(std::string line) {
  MutexLock lock(&mutex_);
  const bool full =
      lines_.size() >= limits_.max_lines ||
      (!lines_.empty() && bytes_ + line.size() > limits_.max_bytes);
  if (full || (untold_ > 0 && !failing_)) {
    ++dropped_;
    ++untold_;
    return;
  }
  AddLocked(std::move(line));
}

bool LineWriter::Flush(absl::Duration timeout) {
  MutexLock lock(&mutex_);
  const auto written = [this] {
    mutex_.AssertHeld();
    return lines_.empty() && !writing_ && !NoteDueLocked();
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&written), timeout);
}

int64_t LineWriter::dropped() const {
  MutexLock lock(&mutex_);
  return dropped_;
}

bool LineWriter::NoteDueLocked() const {
  return untold_ > 0 && !failing_ && lines_.size() <= limits_.max_lines / 2 &&
         bytes_ <= limits_.max_bytes / 2;
}

void LineWriter::AddLocked(std::string line) {
  bytes_ += line.size();
  lines_.push_back(std::move(line));
}

std::string LineWriter::TakeLocked(int64_t* lines) {
  std::string taken;
  // A pipe takes so many bytes in one piece, also where other processes write.
  while (!lines_.empty() &&
         (taken.empty() || taken.size() + lines_.front().size() <= PIPE_BUF)) {
    taken += lines_.front();
    bytes_ -= lines_.front().size();
    lines_.pop_front();
    ++*lines;
  }
  return taken;
}

void LineWriter::Run() {
  const auto due = [this] {
    mutex_.AssertHeld();
    return stopping_ || !lines_.empty() || NoteDueLocked();
  };
  MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(&due));
    if (NoteDueLocked()) AddLocked(note_(std::exchange(untold_, 0)));
    if (lines_.empty()) return;  // stopping
    int64_t lines = 0;
    const std::string taken = TakeLocked(&lines);
    writing_ = true;
    mutex_.Unlock();
    const bool written = WriteFully(fd_, taken);
    mutex_.Lock();
    writing_ = false;
    failing_ = !written;
    if (!written) {
      dropped_ += lines;
      untold_ += lines;
    }
  }
}

}  // namespace cooper::base
