#ifndef COOPER_SERVER_ENGINE_PROGRAM_TEXT_STREAM_H_
#define COOPER_SERVER_ENGINE_PROGRAM_TEXT_STREAM_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/text_codec.h"
#include "server/engine/core/event.h"

namespace cooper::engine {

struct TextDelta {
  TextChannel channel = TextChannel::kPlain;
  std::string text;
  friend bool operator==(const TextDelta&, const TextDelta&) = default;
};

// Splits a text into channels by its tags, in pieces, wherever it was cut: the
// deltas' texts joined per channel are the same for every way to split it.
//
// A tag is taken out where its exact spelling stands; what may become one is
// held back. An opening tag begins its channel inside the current one; a
// closing tag ends the innermost of its kind and what was opened inside it; a
// closing tag without an opening one changes nothing.
//
// The model may spell a tag without meaning it. Within a thought the tags of
// requests and answers are text, and so are the tags of requests within an
// answer, unless they close what is open around.
class TextChannelParser {
 public:
  explicit TextChannelParser(TextChannel start = TextChannel::kPlain);
  std::vector<TextDelta> Push(absl::string_view text);
  // What was held back.
  std::vector<TextDelta> Finish();

 private:
  TextChannel channel() const;
  bool IsOpen(int kind) const;
  // Whether the tag counts as text where the parser stands.
  bool IsText(int tag) const;
  void TakeTag(int tag);
  void Emit(absl::string_view text, std::vector<TextDelta>* out) const;

  TextChannel base_;       // outside of every open tag
  std::vector<int> open_;  // tags, innermost last
  std::string pending_;    // may become a tag
};

// Tokens to deltas: bytes to UTF-8, the cut at control spellings (tags.h's
// CutText), channels. The deltas joined are CutText of the decoded tokens, less
// its tags.
class TextStream {
 public:
  TextStream(const model::TextCodec* codec, TextChannel start);
  std::vector<TextDelta> Push(model::TokenId token);
  std::vector<TextDelta> Finish();
  // A control spelling was seen: nothing that follows counts.
  bool ended() const { return ended_; }

 private:
  std::string Cut(absl::string_view text, bool last);

  const model::TextCodec* codec_;
  model::Utf8Stream utf8_;
  std::string pending_;  // may become a control spelling
  bool ended_ = false;
  TextChannelParser parser_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PROGRAM_TEXT_STREAM_H_
