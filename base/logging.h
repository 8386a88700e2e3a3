#ifndef COOPER_BASE_LOGGING_H_
#define COOPER_BASE_LOGGING_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace cooper::base {

enum class LogFormat { kText, kJson };
enum class LogLevel { kInfo, kWarning, kError };

// A key and its value; numbers are written bare in JSON.
struct LogField {
  LogField(absl::string_view key, absl::string_view value);
  LogField(absl::string_view key, const char* value);
  LogField(absl::string_view key, double value);
  LogField(absl::string_view key, int64_t value);
  LogField(absl::string_view key, int value);
  // `json` is written as it is, in both formats.
  static LogField Json(absl::string_view key, std::string json);
  std::string key;
  std::string value;
  bool quoted;

 private:
  LogField(absl::string_view key, std::string value, bool quoted)
      : key(key), value(std::move(value)), quoted(quoted) {}
};

// Chooses the format of all later lines; call once, before threads start.
void SetLogFormat(LogFormat format);
LogFormat CurrentLogFormat();

// Writes one line to standard error: time, level, message, fields. Never log a
// prompt, an answer or image bytes: lengths only. Thread-safe.
void Log(LogLevel level, absl::string_view message,
         const std::vector<LogField>& fields = {});

// What Log writes, without the newline.
std::string LogLine(LogLevel level, absl::string_view message,
                    const std::vector<LogField>& fields = {});

// The last words of a process that cannot start or go on, on standard error:
// "PROGRAM: WHAT", or with LogFormat::kJson a line of the log.
void LogFailure(absl::string_view program, absl::string_view what);

// `text` in quotes, as JSON; what is not UTF-8 becomes U+FFFD.
std::string JsonString(absl::string_view text);

// Lines of one level that this process has written. Thread-safe.
int64_t LinesLogged(LogLevel level);
// Its name in lines and metrics: "info", "warning", "error".
const char* NameOf(LogLevel level);

// `text` as valid UTF-8 with control characters (U+0080..U+009F too) escaped,
// at most `max_bytes` of it and then "..." where it was cut: for user input in
// messages.
std::string Printable(absl::string_view text, size_t max_bytes = 100);

}  // namespace cooper::base

#endif  // COOPER_BASE_LOGGING_H_
