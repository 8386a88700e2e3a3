#include "server/engine/program/tags.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace cooper::engine {
namespace {

using absl::string_view;

constexpr absl::string_view kOpenRequests[] = {kOpenDepth, kOpenSegmentation};
constexpr absl::string_view kTags[] = {
    kOpenThought,      kCloseThought,      kOpenDepth,  kCloseDepth,
    kOpenSegmentation, kCloseSegmentation, kOpenAnswer, kCloseAnswer};
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

// Cuts `text` at the first `tag`, which was begun and never closed.
void CutAt(string_view tag, std::string* text) {
  text->resize(std::min(text->size(), string_view(*text).find(tag)));
}

std::string WithoutClosedThoughts(string_view text) {
  std::string out;
  while (const auto thought = FirstMatch(text, kOpenThought, kCloseThought)) {
    const auto at = static_cast<size_t>(thought->all.data() - text.data());
    out.append(text.data(), at);
    text.remove_prefix(at + thought->all.size());
  }
  return out.append(text.data(), text.size());
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
  return FirstMatch(text, kOpenAnswer, kCloseAnswer).has_value();
}

std::optional<MapRequest> FindMapRequest(string_view text) {
  if (const auto match = FirstMatch(text, kOpenDepth, kCloseDepth)) {
    return MapRequest{model::MapKind::kDepth, std::string(match->all),
                      std::string(match->content)};
  }
  if (const auto match =
          FirstMatch(text, kOpenSegmentation, kCloseSegmentation)) {
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

std::string WithoutRequests(std::string text) {
  while (const std::optional<MapRequest> request = FindMapRequest(text)) {
    text = WithoutMatch(text, request->match);
  }
  for (string_view open : kOpenRequests) CutAt(open, &text);
  return text;
}

std::string WithoutThoughts(string_view text) {
  std::string rest = WithoutClosedThoughts(text);
  CutAt(kOpenThought, &rest);
  return rest;
}

std::string AnswerText(string_view text) {
  std::string rest = WithoutClosedThoughts(text);
  if (const auto answer = FirstMatch(rest, kOpenAnswer, kCloseAnswer)) {
    rest = std::string(answer->content);
    CutAt(kOpenThought, &rest);
  } else {
    CutAt(kOpenThought, &rest);
    const size_t begun = string_view(rest).find(kOpenAnswer);
    rest = begun != std::string::npos ? rest.substr(begun + kOpenAnswer.size())
                                      : WithoutRequests(std::move(rest));
  }
  for (string_view tag : kTags) rest = WithoutMatch(rest, tag);
  return StripText(rest);
}

std::optional<std::string> FindBoxed(string_view text) {
  for (size_t at = text.rfind(kBoxed); at != string_view::npos;
       at = at == 0 ? string_view::npos : text.rfind(kBoxed, at - 1)) {
    const size_t begin = at + kBoxed.size();
    int depth = 1;
    for (size_t i = begin; i < text.size(); ++i) {
      if (text[i] == '{') ++depth;
      if (text[i] == '}' && --depth == 0) {
        return StripText(text.substr(begin, i - begin));
      }
    }
  }
  return std::nullopt;
}

}  // namespace cooper::engine
