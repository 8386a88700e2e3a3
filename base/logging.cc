#include "base/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace cooper::base {
namespace {

LogFormat g_format = LogFormat::kText;
// By level.
std::array<std::atomic<int64_t>, 3> g_lines{};

std::atomic<int64_t>& Lines(LogLevel level) {
  return g_lines[static_cast<size_t>(level)];
}

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> kLogger = [] {
    auto logger = spdlog::stderr_logger_mt("cooper");
    logger->set_pattern("%v");
    logger->flush_on(spdlog::level::trace);
    return logger;
  }();
  return *kLogger;
}

// A character at the start of a text.
struct Character {
  uint32_t code = 0;
  size_t length = 0;  // bytes; 0: not well-formed UTF-8
};

Character FirstCharacter(absl::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const size_t length = (lead >> 5) == 0x6    ? 2
                        : (lead >> 4) == 0xE  ? 3
                        : (lead >> 3) == 0x1E ? 4
                                              : 0;
  if (length == 0 || length > text.size()) return {};
  uint32_t code = lead & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0) != 0x80) return {};
    code = code << 6 | (byte & 0x3F);
  }
  constexpr uint32_t kLowest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  if (code < kLowest[length] || code > 0x10FFFF || surrogate) return {};
  return {code, length};
}

bool IsControl(uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0);
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
    const Character character = FirstCharacter(text);
    const absl::string_view bytes =
        text.substr(0, std::max(character.length, size_t{1}));
    if (character.length == 0) {
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
  const spdlog::level::level_enum spd_level =
      level == LogLevel::kError     ? spdlog::level::err
      : level == LogLevel::kWarning ? spdlog::level::warn
                                    : spdlog::level::info;
  Lines(level).fetch_add(1, std::memory_order_relaxed);
  Logger().log(spd_level, "{}", LogLine(level, message, fields));
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
    const Character character = FirstCharacter(text);
    // Of what is no character, one byte is shown at a time.
    const absl::string_view bytes =
        text.substr(0, std::max(character.length, size_t{1}));
    std::string piece;
    if (character.length > 0 && !IsControl(character.code)) {
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
