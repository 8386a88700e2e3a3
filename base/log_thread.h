#ifndef COOPER_BASE_LOG_THREAD_H_
#define COOPER_BASE_LOG_THREAD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/logging.h"

// What a server adds to the log of base/logging.h: lines that never block, and
// fewer of them. All functions are thread-safe.

namespace cooper::base {

// From now on what is logged or printed goes through a bounded queue to a
// thread of its own (LineWriter): a reader of standard error or standard output
// that stalls blocks no other thread. A process that does not call it, and a
// child of fork, writes each line where it is logged. Call after the signal
// mask is set; idempotent.
void StartLogThread();

// Lines that were dropped: the queue was full, or standard error is gone.
int64_t LinesDropped();

// Writes `line` to standard output, without waiting for its reader once
// StartLogThread was called.
void PrintLine(absl::string_view line);

// As Log, but of one `kind` at most ten lines a second are logged.
// LogLeftOut tells how many were left out. Kinds come from a closed set.
void LogSampled(absl::string_view kind, LogLevel level,
                absl::string_view message, const std::vector<LogField>& fields);
// Whether LogSampled would log a line of `kind` now; it counts as logged.
bool AdmitSampled(absl::string_view kind);
// One line for each kind of which lines were left out in the seconds before.
// Call about once a second.
void LogLeftOut();

// Waits until all that was logged or printed is written, at most `timeout`.
void FlushLog(absl::Duration timeout = absl::Seconds(1));

}  // namespace cooper::base

#endif  // COOPER_BASE_LOG_THREAD_H_
