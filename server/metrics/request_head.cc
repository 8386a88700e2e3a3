#include "server/metrics/request_head.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace cooper::metrics {
namespace {

RequestHead Refused(HttpStatus status) {
  RequestHead head;
  head.status = status;
  return head;
}

// Lines are split before this is asked, so that CR and LF are refused too.
bool IsControl(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

bool IsToken(absl::string_view text) {
  constexpr absl::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isalnum(c) || kMarks.find(c) != kMarks.npos;
  });
}

// The target's path: of "/path?query", of "http://host/path?query", which
// proxies send, or "*". Empty: none of these.
absl::string_view PathOf(absl::string_view target) {
  if (target == "*") return target;
  if (absl::StartsWithIgnoreCase(target, "http://")) {
    target.remove_prefix(7);
    const size_t host_end = target.find_first_of("/?");
    if (host_end == 0) return "";
    if (host_end == absl::string_view::npos || target[host_end] == '?') {
      return "/";
    }
    target.remove_prefix(host_end);
  }
  if (!absl::StartsWith(target, "/")) return "";
  return target.substr(0, target.find('?'));
}

// "GET /metrics HTTP/1.1".
RequestHead ReadRequestLine(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 3 || !IsToken(words[0])) {
    return Refused(HttpStatus::kBadRequest);
  }
  absl::string_view version = words[2];
  if (!absl::ConsumePrefix(&version, "HTTP/") || version.size() != 3 ||
      !absl::ascii_isdigit(version[0]) || version[1] != '.' ||
      !absl::ascii_isdigit(version[2])) {
    return Refused(HttpStatus::kBadRequest);
  }
  if (version[0] != '1') return Refused(HttpStatus::kVersionNotSupported);
  RequestHead head;
  head.method = std::string(words[0]);
  head.path = std::string(PathOf(words[1]));
  if (head.path.empty()) return Refused(HttpStatus::kBadRequest);
  return head;
}

// "Name: value". Folded lines, which begin with a space, are no such thing.
bool IsField(absl::string_view line, absl::string_view* name) {
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos) return false;
  *name = line.substr(0, colon);
  return IsToken(*name);
}

RequestHead ReadLines(const std::vector<absl::string_view>& lines) {
  RequestHead head = ReadRequestLine(lines[0]);
  if (head.status != HttpStatus::kOk) return head;
  int hosts = 0;
  for (size_t i = 1; i < lines.size(); ++i) {
    absl::string_view name;
    if (!IsField(lines[i], &name)) return Refused(HttpStatus::kBadRequest);
    if (absl::EqualsIgnoreCase(name, "host")) ++hosts;
  }
  const bool must_name_host = !absl::EndsWith(lines[0], "/1.0");
  if (hosts > 1 || (must_name_host && hosts == 0)) {
    return Refused(HttpStatus::kBadRequest);
  }
  return head;
}

}  // namespace

std::optional<RequestHead> ReadRequestHead(absl::string_view received) {
  const absl::string_view readable = received.substr(0, kMaxHeadBytes);
  std::vector<absl::string_view> lines;
  size_t begin = 0;
  bool whole = false;
  while (!whole) {
    const size_t end = readable.find('\n', begin);
    const bool ended = end != absl::string_view::npos;
    absl::string_view line = readable.substr(begin, ended ? end - begin : end);
    absl::ConsumeSuffix(&line, "\r");
    if (std::any_of(line.begin(), line.end(), IsControl)) {
      return Refused(HttpStatus::kBadRequest);
    }
    if (!ended) break;
    begin = end + 1;
    // Empty lines before the first one are passed over.
    if (!line.empty()) {
      lines.push_back(line);
    } else {
      whole = !lines.empty();
    }
  }
  if (whole) return ReadLines(lines);
  if (received.size() <= kMaxHeadBytes) return std::nullopt;
  return Refused(HttpStatus::kHeadTooLarge);
}

}  // namespace cooper::metrics
