#include "client/report/html.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/text.h"

namespace cooper::client {
namespace {

struct ImageType {
  const char* mime;
  const char* extension;
};

ImageType TypeOf(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "\x89PNG\r\n\x1a\n"))
    return {"image/png", ".png"};
  if (absl::StartsWith(bytes, "\xFF\xD8\xFF")) return {"image/jpeg", ".jpg"};
  if (bytes.size() > 12 && absl::StartsWith(bytes, "RIFF") &&
      bytes.substr(8, 4) == "WEBP") {
    return {"image/webp", ".webp"};
  }
  return {"application/octet-stream", ".bin"};
}

// Where the brace that opens at `open` closes, or npos.
size_t ClosingBrace(absl::string_view text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i;
  }
  return absl::string_view::npos;
}

}  // namespace

std::string EscapeHtml(absl::string_view text) {
  std::string html;
  for (const char c : Printable(text)) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string ImageUrl(absl::string_view bytes) {
  return absl::StrCat("data:", TypeOf(bytes).mime, ";base64,",
                      absl::Base64Escape(bytes));
}

std::string ImageExtension(absl::string_view bytes) {
  return TypeOf(bytes).extension;
}

std::string AnswerHtml(absl::string_view answer) {
  constexpr absl::string_view kBoxed = "\\boxed{";
  std::string html;
  for (;;) {
    const size_t start = answer.find(kBoxed);
    if (start == absl::string_view::npos) break;
    const size_t inside = start + kBoxed.size();
    const size_t close = ClosingBrace(answer, inside - 1);
    if (close == absl::string_view::npos) break;
    absl::StrAppend(
        &html, EscapeHtml(answer.substr(0, start)), "<mark class=\"boxed\">",
        EscapeHtml(answer.substr(inside, close - inside)), "</mark>");
    answer.remove_prefix(close + 1);
  }
  return html + EscapeHtml(answer);
}

std::string HumanMilliseconds(double milliseconds) {
  const double ms = milliseconds;
  if (!(ms > 0)) return "0 ms";  // and NaN
  if (ms < 1) return "< 1 ms";
  if (ms < 999.5) return absl::StrFormat("%.0f ms", ms);
  if (ms < 59'950) return absl::StrFormat("%.1f s", ms / 1000);
  const auto seconds = static_cast<int64_t>(std::min(ms / 1000, 1e15));
  return absl::StrFormat("%d min %d s", seconds / 60, seconds % 60);
}

}  // namespace cooper::client
