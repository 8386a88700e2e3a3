#include "server/engine/program/text_stream.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "server/engine/program/tags.h"

namespace cooper::engine {
namespace {

using absl::string_view;

struct Tag {
  string_view spelling;
  int kind;  // index of the channel in kChannels
  bool opens;
};
constexpr Tag kTags[] = {
    {kOpenThought, 0, true},      {kCloseThought, 0, false},
    {kOpenDepth, 1, true},        {kCloseDepth, 1, false},
    {kOpenSegmentation, 2, true}, {kCloseSegmentation, 2, false},
    {kOpenAnswer, 3, true},       {kCloseAnswer, 3, false},
};
constexpr TextChannel kChannels[] = {
    TextChannel::kThink, TextChannel::kPerceptionRequest,
    TextChannel::kPerceptionRequest, TextChannel::kAnswer};

constexpr string_view kControls[] = {kBosText, kEosText};

}  // namespace

TextChannelParser::TextChannelParser(TextChannel start) : base_(start) {}

TextChannel TextChannelParser::channel() const {
  return open_.empty() ? base_ : kChannels[open_.back()];
}

bool TextChannelParser::IsOpen(int kind) const {
  return kChannels[kind] == base_ ||
         std::find(open_.begin(), open_.end(), kind) != open_.end();
}

bool TextChannelParser::IsText(int tag) const {
  const int kind = kTags[tag].kind;
  if (!kTags[tag].opens && IsOpen(kind)) return false;
  const TextChannel of_tag = kChannels[kind];
  switch (channel()) {
    case TextChannel::kThink:
      return of_tag != TextChannel::kThink;
    case TextChannel::kAnswer:
      return of_tag == TextChannel::kPerceptionRequest;
    case TextChannel::kPerceptionRequest:
    case TextChannel::kPlain:
      break;
  }
  return false;
}

void TextChannelParser::Emit(string_view text,
                             std::vector<TextDelta>* out) const {
  if (text.empty()) return;
  if (out->empty() || out->back().channel != channel()) {
    out->push_back({channel(), {}});
  }
  out->back().text.append(text.data(), text.size());
}

void TextChannelParser::TakeTag(int tag) {
  const int kind = kTags[tag].kind;
  if (kTags[tag].opens) {
    // Opened twice is opened once: the stack stays small whatever is written.
    if (!IsOpen(kind)) open_.push_back(kind);
    return;
  }
  const auto at = std::find(open_.begin(), open_.end(), kind);
  if (at != open_.end()) {
    open_.erase(at, open_.end());
  } else if (base_ == kChannels[kind]) {
    base_ = TextChannel::kPlain;
    open_.clear();
  }
}

std::vector<TextDelta> TextChannelParser::Push(string_view text) {
  pending_.append(text.data(), text.size());
  std::vector<TextDelta> out;
  string_view rest = pending_;
  while (!rest.empty()) {
    const size_t at = rest.find('<');
    Emit(rest.substr(0, at), &out);
    if (at == string_view::npos) {
      rest = {};
      break;
    }
    rest.remove_prefix(at);
    const auto tag = std::find_if(
        std::begin(kTags), std::end(kTags),
        [&](const Tag& t) { return absl::StartsWith(rest, t.spelling); });
    if (tag != std::end(kTags)) {
      const int index = static_cast<int>(tag - std::begin(kTags));
      if (IsText(index)) {
        Emit(tag->spelling, &out);
      } else {
        TakeTag(index);
      }
      rest.remove_prefix(tag->spelling.size());
      continue;
    }
    if (std::any_of(std::begin(kTags), std::end(kTags), [&](const Tag& t) {
          return absl::StartsWith(t.spelling, rest);
        })) {
      break;
    }
    Emit(rest.substr(0, 1), &out);
    rest.remove_prefix(1);
  }
  pending_ = std::string(rest);
  return out;
}

std::vector<TextDelta> TextChannelParser::Finish() {
  std::vector<TextDelta> out;
  Emit(std::exchange(pending_, {}), &out);
  return out;
}

TextStream::TextStream(const model::TextCodec* codec, TextChannel start)
    : codec_(codec), parser_(start) {}

std::string TextStream::Cut(string_view text, bool last) {
  if (ended_) return {};
  pending_.append(text.data(), text.size());
  std::string out;
  string_view rest = pending_;
  while (!rest.empty()) {
    const size_t at = rest.find('<');
    out.append(rest.data(), at == string_view::npos ? rest.size() : at);
    if (at == string_view::npos) {
      rest = {};
      break;
    }
    rest.remove_prefix(at);
    const auto any = [&](auto matches) {
      return std::any_of(std::begin(kControls), std::end(kControls), matches);
    };
    if (any([&](string_view c) { return absl::StartsWith(rest, c); })) {
      ended_ = true;
      rest = {};
      break;
    }
    if (!last &&
        any([&](string_view c) { return absl::StartsWith(c, rest); })) {
      break;
    }
    out += '<';
    rest.remove_prefix(1);
  }
  pending_ = std::string(rest);
  return out;
}

std::vector<TextDelta> TextStream::Push(model::TokenId token) {
  const std::string text = utf8_.Push(codec_->TokenBytes(token));
  return parser_.Push(Cut(text, /*last=*/false));
}

std::vector<TextDelta> TextStream::Finish() {
  std::vector<TextDelta> out = parser_.Push(Cut(utf8_.Finish(), /*last=*/true));
  for (TextDelta& delta : parser_.Finish()) {
    if (!out.empty() && out.back().channel == delta.channel) {
      out.back().text += delta.text;
    } else {
      out.push_back(std::move(delta));
    }
  }
  return out;
}

}  // namespace cooper::engine
