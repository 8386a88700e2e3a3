#include "server/engine/tags.h"

#include <cstdint>

namespace cooper::engine {
namespace {

using absl::string_view;

constexpr absl::string_view kBosText = "<|im_start|>";
constexpr absl::string_view kEosText = "<|im_end|>";
constexpr absl::string_view kBoxed = "\\boxed{";

struct Match {
  string_view all;
  string_view content;
};

// The first `open`, up to the first `close` after it. A later `open` cannot
// start an earlier match: whatever closes it closes the first one too.
std::optional<Match> FirstMatch(string_view text, string_view open,
                                string_view close) {
  const size_t begin = text.find(open);
  if (begin == string_view::npos) return std::nullopt;
  const size_t inside = begin + open.size();
  const size_t end = text.find(close, inside);
  if (end == string_view::npos) return std::nullopt;
  return Match{text.substr(begin, end + close.size() - begin),
               text.substr(inside, end - inside)};
}

// The characters of Python's str.isspace.
bool IsSpace(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 ||
         c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// The character that starts at `at` and ends before `end`; texts here are
// valid UTF-8.
uint32_t CharacterAt(string_view text, size_t at, size_t end) {
  const auto lead = static_cast<unsigned char>(text[at]);
  uint32_t c = lead < 0x80 ? lead : lead < 0xE0 ? lead & 0x1F : lead & 0x0F;
  for (size_t i = at + 1; i < end; ++i) {
    c = (c << 6) | (static_cast<unsigned char>(text[i]) & 0x3F);
  }
  return c;
}

}  // namespace

std::string CutText(string_view raw) {
  raw = raw.substr(0, raw.find(kEosText));
  return std::string(raw.substr(0, raw.find(kBosText)));
}

bool HasAnswer(string_view text) {
  return FirstMatch(text, "<answer>", "</answer>").has_value();
}

std::optional<MapRequest> FindMapRequest(string_view text) {
  if (const auto match =
          FirstMatch(text, "<depth-estimation>", "</depth-estimation>")) {
    return MapRequest{model::MapKind::kDepth, std::string(match->all),
                      std::string(match->content)};
  }
  if (const auto match =
          FirstMatch(text, "<segmentation>", "</segmentation>")) {
    return MapRequest{model::MapKind::kSegmentation, std::string(match->all),
                      std::string(match->content)};
  }
  return std::nullopt;
}

std::string RequestWords(string_view text) {
  const std::optional<MapRequest> request = FindMapRequest(text);
  return StripText(request.has_value() ? string_view(request->content) : text);
}

std::string WithoutMatch(string_view text, string_view match) {
  if (match.empty()) return std::string(text);
  std::string out;
  while (true) {
    const size_t at = text.find(match);
    out.append(text.data(), at == string_view::npos ? text.size() : at);
    if (at == string_view::npos) return out;
    text.remove_prefix(at + match.size());
  }
}

std::string StripText(string_view text) {
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = begin + 1;
    while (end < text.size() && IsContinuation(text[end])) ++end;
    if (!IsSpace(CharacterAt(text, begin, end))) break;
    begin = end;
  }
  size_t end = text.size();
  while (end > begin) {
    size_t last = end - 1;
    while (last > begin && IsContinuation(text[last])) --last;
    if (!IsSpace(CharacterAt(text, last, end))) break;
    end = last;
  }
  return std::string(text.substr(begin, end - begin));
}

std::optional<std::string> FindBoxed(string_view text) {
  for (size_t at = text.rfind(kBoxed); at != string_view::npos;
       at = at == 0 ? string_view::npos : text.rfind(kBoxed, at - 1)) {
    const size_t begin = at + kBoxed.size();
    int depth = 1;
    for (size_t i = begin; i < text.size(); ++i) {
      if (text[i] == '{') ++depth;
      if (text[i] == '}' && --depth == 0) {
        return std::string(text.substr(begin, i - begin));
      }
    }
  }
  return std::nullopt;
}

}  // namespace cooper::engine
