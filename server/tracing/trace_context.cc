#include "server/tracing/trace_context.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace cooper::tracing {
namespace {

bool IsLowerHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

bool IsAllZero(absl::string_view text) {
  return text.find_first_not_of('0') == absl::string_view::npos;
}

}  // namespace

std::optional<TraceContext> ParseTraceparent(absl::string_view header) {
  // version "-" trace id "-" parent id "-" flags; later versions may add more
  // behind another dash.
  constexpr size_t kLength = 2 + 1 + 32 + 1 + 16 + 1 + 2;
  if (header.size() < kLength) return std::nullopt;
  const absl::string_view version = header.substr(0, 2);
  const absl::string_view trace_id = header.substr(3, 32);
  const absl::string_view parent_id = header.substr(36, 16);
  const absl::string_view flags = header.substr(53, 2);
  if (header[2] != '-' || header[35] != '-' || header[52] != '-') {
    return std::nullopt;
  }
  if (header.size() > kLength && (version == "00" || header[kLength] != '-')) {
    return std::nullopt;
  }
  if (!IsLowerHex(version) || version == "ff" || !IsLowerHex(trace_id) ||
      !IsLowerHex(parent_id) || !IsLowerHex(flags) || IsAllZero(trace_id) ||
      IsAllZero(parent_id)) {
    return std::nullopt;
  }
  const int last_digit =
      absl::ascii_isdigit(flags[1]) ? flags[1] - '0' : flags[1] - 'a' + 10;
  return TraceContext{std::string(trace_id), std::string(parent_id),
                      (last_digit & 1) != 0};
}

}  // namespace cooper::tracing
