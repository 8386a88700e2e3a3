#include "base/logging.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/line_writer.h"
#include "base/log_sampler.h"
#include "base/log_thread.h"
#include "base/mutex.h"
#include "base/utf8.h"

namespace cooper::base {
namespace {

LogFormat g_format = LogFormat::kText;
// By level.
std::array<std::atomic<int64_t>, 3> g_lines{};

std::atomic<int64_t>& Lines(LogLevel level) {
  return g_lines[static_cast<size_t>(level)];
}

// Null: lines are written where they are logged. Never destroyed, since other
// threads log until the process ends.
std::atomic<LineWriter*> g_stderr{nullptr};
std::atomic<LineWriter*> g_stdout{nullptr};

void Emit(const std::atomic<LineWriter*>& writer, int fd, std::string line) {
  line += '\n';
  if (LineWriter* const thread = writer.load(std::memory_order_acquire)) {
    return thread->Write(std::move(line));
  }
  // In one piece, since other threads and processes write there too.
  WriteFully(fd, line);
}

std::string DroppedLine(int64_t dropped) {
  Lines(LogLevel::kWarning).fetch_add(1, std::memory_order_relaxed);
  return LogLine(LogLevel::kWarning,
                 absl::StrCat(dropped, " log lines were dropped"),
                 {{"lines", dropped}}) +
         "\n";
}

LogSampler& Sampler() {
  constexpr int kLinesPerSecond = 10;
  static auto* const sampler = new LogSampler(kLinesPerSecond);
  return *sampler;
}

void LogLeftOutAt(absl::Time now) {
  for (const auto& [kind, lines] : Sampler().TakeLeftOut(now)) {
    Log(LogLevel::kWarning, "lines left out",
        {{"kind", kind}, {"lines", lines}});
  }
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
  Emit(g_stderr, STDERR_FILENO, LogLine(level, message, fields));
}

void LogFailure(absl::string_view program, absl::string_view what) {
  if (g_format == LogFormat::kJson) {
    Log(LogLevel::kError, "failed", {{"program", program}, {"error", what}});
  } else {
    Emit(g_stderr, STDERR_FILENO, absl::StrCat(program, ": ", what));
  }
  FlushLog();
}

void StartLogThread() {
  static Mutex mutex;
  MutexLock lock(&mutex);
  if (g_stderr.load() != nullptr) return;
  g_stderr = new LineWriter(STDERR_FILENO, {}, "log", DroppedLine);
  g_stdout = new LineWriter(STDOUT_FILENO, {}, "stdout", DroppedLine);
  // The child has no such thread.
  pthread_atfork(nullptr, nullptr, [] {
    g_stderr = nullptr;
    g_stdout = nullptr;
  });
}

int64_t LinesDropped() {
  const LineWriter* const writer = g_stderr.load(std::memory_order_acquire);
  return writer == nullptr ? 0 : writer->dropped();
}

void PrintLine(absl::string_view line) {
  Emit(g_stdout, STDOUT_FILENO, std::string(line));
}

bool AdmitSampled(absl::string_view kind) {
  return Sampler().Admit(kind, absl::Now());
}

void LogSampled(absl::string_view kind, LogLevel level,
                absl::string_view message,
                const std::vector<LogField>& fields) {
  if (AdmitSampled(kind)) Log(level, message, fields);
}

void LogLeftOut() { LogLeftOutAt(absl::Now()); }

void FlushLog(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  // Of the seconds that are not over, too.
  LogLeftOutAt(absl::InfiniteFuture());
  for (const auto* stream : {&g_stderr, &g_stdout}) {
    if (LineWriter* const writer = stream->load(std::memory_order_acquire)) {
      writer->Flush(std::max(deadline - absl::Now(), absl::ZeroDuration()));
    }
  }
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
