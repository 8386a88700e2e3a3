#ifndef COOPER_SERVER_BASE_LOGGING_H_
#define COOPER_SERVER_BASE_LOGGING_H_

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
  std::string key;
  std::string value;
  bool quoted;
};

// Chooses the format of all later lines; call once, before threads start.
void SetLogFormat(LogFormat format);

// Writes one line to standard error: time, level, message, fields. Never log a
// prompt, an answer or image bytes: lengths only. Thread-safe.
void Log(LogLevel level, absl::string_view message,
         const std::vector<LogField>& fields = {});

// Lines of one level that this process has written. Thread-safe.
int64_t LinesLogged(LogLevel level);
// Its name in lines and metrics: "info", "warning", "error".
const char* NameOf(LogLevel level);

// `text` as valid UTF-8 with control characters (U+0080..U+009F too) escaped,
// at most `max_bytes` of it and then "..." where it was cut: for user input in
// messages.
std::string Printable(absl::string_view text, size_t max_bytes = 100);

}  // namespace cooper::base

#endif  // COOPER_SERVER_BASE_LOGGING_H_
