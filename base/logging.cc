#include "base/logging.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/utf8.h"

namespace cooper::base {
namespace {

LogFormat g_format = LogFormat::kText;
// By level.
std::array<std::atomic<int64_t>, 3> g_lines{};

std::atomic<int64_t>& Lines(LogLevel level) {
  return g_lines[static_cast<size_t>(level)];
}

}  // namespace

LogField::LogField(absl::string_view key, absl::string_view value)
    : key(key), value(value), quoted(true) {}
LogField::LogField(absl::string_view key, const char* value)
    : key(key), value(value), quoted(true) {}
LogField::LogField(absl::string_view key, double value)
    : key(key), value(absl::StrFormat("%.6g", value)), quoted(false) {}
LogField::LogField(absl::string_view key, int64_t value)
    : key(key), value(absl::StrCat(value)), quoted(false) {}
LogField::LogField(absl::string_view key, int value)
    : key(key), value(absl::StrCat(value)), quoted(false) {}

LogField LogField::Json(absl::string_view key, std::string json) {
  return {key, std::move(json), /*quoted=*/false};
}

void SetLogFormat(LogFormat format) { g_format = format; }

LogFormat CurrentLogFormat() { return g_format; }

const char* NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

int64_t LinesLogged(LogLevel level) {
  return Lines(level).load(std::memory_order_relaxed);
}

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const Utf8Sequence character = NextUtf8(text);
    const bool valid = character.kind == Utf8Sequence::kValid;
    const absl::string_view bytes =
        text.substr(0, valid ? character.length : 1);
    if (!valid) {
      out += "\\ufffd";
    } else if (character.code < 0x20 || character.code == 0x7F) {
      absl::StrAppendFormat(&out, "\\u%04x", character.code);
    } else {
      if (bytes == "\"" || bytes == "\\") out += '\\';
      absl::StrAppend(&out, bytes);
    }
    text.remove_prefix(bytes.size());
  }
  return out + "\"";
}

std::string LogLine(LogLevel level, absl::string_view message,
                    const std::vector<LogField>& fields) {
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(),
                                            absl::UTCTimeZone());
  std::string line;
  if (g_format == LogFormat::kJson) {
    line = absl::StrCat("{\"ts\":\"", time, "\",\"level\":\"", NameOf(level),
                        "\",\"msg\":", JsonString(message));
    for (const LogField& field : fields) {
      absl::StrAppend(&line, ",", JsonString(field.key), ":",
                      field.quoted ? JsonString(field.value) : field.value);
    }
    line += "}";
  } else {
    line = absl::StrCat(time, " ", NameOf(level), " ", message);
    for (const LogField& field : fields) {
      absl::StrAppend(&line, " ", field.key, "=",
                      field.quoted ? JsonString(field.value) : field.value);
    }
  }
  return line;
}

void Log(LogLevel level, absl::string_view message,
         const std::vector<LogField>& fields) {
  Lines(level).fetch_add(1, std::memory_order_relaxed);
  // In one piece, since other threads and processes write there too.
  const std::string line = LogLine(level, message, fields) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void LogFailure(absl::string_view program, absl::string_view what) {
  if (g_format == LogFormat::kJson) {
    return Log(LogLevel::kError, "failed",
               {{"program", program}, {"error", what}});
  }
  std::fprintf(stderr, "%s\n", absl::StrCat(program, ": ", what).c_str());
}

std::string Printable(absl::string_view text, size_t max_bytes) {
  std::string out;
  while (!text.empty()) {
    const Utf8Sequence character = NextUtf8(text);
    const bool valid = character.kind == Utf8Sequence::kValid;
    // Of what is no character, one byte is shown at a time.
    const absl::string_view bytes =
        text.substr(0, valid ? character.length : 1);
    std::string piece;
    if (valid && !IsControl(character.code)) {
      piece = std::string(bytes);
    } else {
      for (const char c : bytes) {
        absl::StrAppendFormat(&piece, "\\x%02x", static_cast<unsigned char>(c));
      }
    }
    if (out.size() + piece.size() > max_bytes) return out + "...";
    out += piece;
    text.remove_prefix(bytes.size());
  }
  return out;
}

}  // namespace cooper::base
