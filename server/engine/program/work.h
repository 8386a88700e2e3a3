#ifndef COOPER_SERVER_ENGINE_PROGRAM_WORK_H_
#define COOPER_SERVER_ENGINE_PROGRAM_WORK_H_

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/image/image.h"
#include "model/options.h"
#include "server/engine/core/event.h"

// The work that a program asks for, one piece at a time.

namespace cooper::engine {

// The contexts of a request. kCond: everything so far. kNoText: the same
// without the words of the map's request. kNoImage: only the texts (and the
// drawn maps). kScratch: a fork of another branch, on which a text is decoded;
// kScratchStart: kScratch as it was within that text, where the words of a
// request may begin. No op names these two.
enum class Branch { kCond, kNoText, kNoImage, kScratch, kScratchStart };
inline constexpr int kBranches = 5;

// Who wrote a text; decides how control spellings in it are read.
enum class TextOrigin { kSystem, kUser, kModel, kFixed };

struct TextPart {
  std::string text;
  TextOrigin origin = TextOrigin::kFixed;
  friend bool operator==(const TextPart&, const TextPart&) = default;
};
// An input image as clean latents.
struct LatentPart {
  int image = 0;  // counts the request's images
  friend bool operator==(const LatentPart&, const LatentPart&) = default;
};
// An input image or a drawn map as the vision encoder sees it.
struct VisionPart {
  enum class Source { kInput, kMap };
  Source source = Source::kInput;
  int index = 0;  // image or map id
  friend bool operator==(const VisionPart&, const VisionPart&) = default;
};
using PromptSegment = std::variant<TextPart, LatentPart, VisionPart>;

// `branch` gets one more segment.
struct PrefillOp {
  Branch branch = Branch::kCond;
  PromptSegment segment;
  friend bool operator==(const PrefillOp&, const PrefillOp&) = default;
};
// `to` becomes equal to what `from` is now.
struct ForkOp {
  Branch from = Branch::kCond;
  Branch to = Branch::kNoText;
  friend bool operator==(const ForkOp&, const ForkOp&) = default;
};
using ContextOp = std::variant<PrefillOp, ForkOp>;

// Ops in the order in which the reference does them.
struct ContextWork {
  std::vector<ContextOp> ops;
};
// Decode a text on a scratch fork of `from`, until eos or the limit.
struct DecodeWork {
  Branch from = Branch::kCond;
  int max_tokens = 0;  // the leading bos counted
  int turn = 0;        // counts the request's texts
  // Where the text starts for its reader (it may continue an open tag).
  TextChannel channel = TextChannel::kPlain;
};
// Draw a map under guidance of kCond, kNoText and kNoImage, decode its latents
// and render it; afterwards VisionPart{kMap, map_id} may be appended.
struct DenoiseWork {
  model::MapKind kind = model::MapKind::kDepth;
  image::Size size;  // px
  int map_id = 0;
  std::string request_text;
  bool fed_back = true;  // whether the model will look at it
};
// Nothing is left to do.
struct FinishWork {
  FinishReason reason = FinishReason::kAnswered;
  std::string answer;       // the last text, stripped
  std::string answer_text;  // what it answers, without tags (AnswerText)
  std::optional<std::string> boxed;  // of answer_text
};
// That of a request whose last text is `text`.
FinishWork FinishOf(FinishReason reason, absl::string_view text);
using Work = std::variant<ContextWork, DecodeWork, DenoiseWork, FinishWork>;

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PROGRAM_WORK_H_
