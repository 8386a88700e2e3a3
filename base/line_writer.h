#ifndef COOPER_BASE_LINE_WRITER_H_
#define COOPER_BASE_LINE_WRITER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace cooper::base {

// Writes all of `data` to a file descriptor, blocking or not. Blocks while the
// reader takes nothing. False: it cannot be written (reader gone, disk full).
bool WriteFully(int fd, absl::string_view data);

// Writes lines to a file descriptor from a thread of its own, so that a reader
// that stalls blocks no other thread.
//
// Thread-safe; `Write` never blocks. Lines keep their order, and one write(2)
// holds whole lines. When the queue is full, lines are dropped until half of it
// is free; then the line that `note` makes tells how many were dropped.
class LineWriter {
 public:
  struct Limits {
    size_t max_lines = 8192;  // at least 1
    size_t max_bytes = size_t{4} << 20;
  };

  // `fd` must stay open. `note` runs on the thread, under the writer's lock.
  LineWriter(int fd, const Limits& limits, const std::string& thread_name,
             std::function<std::string(int64_t dropped)> note);
  // Writes what is queued, then joins: blocks while the reader takes nothing.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // `line` ends with a newline.
  void Write(std::string line) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until everything is written, at most `timeout`; whether it is.
  bool Flush(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);
  // Lines dropped since the construction: the queue was full, or the write
  // failed.
  int64_t dropped() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  bool NoteDueLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddLocked(std::string line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The next lines that go into one write(2), and how many they are.
  std::string TakeLocked(int64_t* lines) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int fd_;
  const Limits limits_;
  const std::function<std::string(int64_t)> note_;
  mutable Mutex mutex_;
  std::deque<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // of lines_
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // The last write failed: no note until one succeeds.
  bool failing_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t untold_ ABSL_GUARDED_BY(mutex_) = 0;  // dropped since the last note
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace cooper::base

#endif  // COOPER_BASE_LINE_WRITER_H_
