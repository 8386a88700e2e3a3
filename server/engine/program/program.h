#ifndef COOPER_SERVER_ENGINE_PROGRAM_PROGRAM_H_
#define COOPER_SERVER_ENGINE_PROGRAM_PROGRAM_H_

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/image/image.h"
#include "model/options.h"
#include "model/text_codec.h"
#include "server/engine/core/event.h"
#include "server/engine/core/request.h"

// What one request has the model do, as a pure state machine: no thread, no
// clock, no tensor. A program names its contexts by branch and its images by
// index, asks for one piece of work at a time, and is told of the texts.

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

// What was decoded.
struct DecodedText {
  // Without bos and eos; before the cut of tags.h's CutText.
  std::string raw;
  // The ids behind `raw`; empty if it was not decoded by the model.
  std::vector<model::TokenId> ids;
  bool hit_limit = false;    // else: eos, or a control spelling that ends it
  bool interrupted = false;  // Program::EndsText said so
};

class Program {
 public:
  virtual ~Program() = default;
  // The next piece of work; the one before is complete. After FinishWork it
  // is not called again.
  virtual Work Next() = 0;
  // The result of a DecodeWork, before the following Next().
  virtual void OnText(const DecodedText& text) = 0;

  // What the caller of a conversation wants, at any time between other calls.
  virtual void OnAnswerNow() {}
  virtual void OnNoMoreMaps() {}
  // Whether the text of the DecodeWork under way, `written` so far, ends here.
  virtual bool EndsText(absl::string_view written) const { return false; }
};

// An input as a program sees it.
struct InputImage {
  int image = 0;  // counts the request's images
};
using ProgramInput = std::variant<InputImage, TextPart>;

// Options of all programs; each says which it reads.
struct ProgramOptions {
  model::Prompts prompts = model::Prompts::Cooper();
  // Interleaved: texts at most.
  int max_turns = 3;
  // Tokens of one text, bos counted.
  int max_think_tokens = 4096;
  // px; of the maps, after the VAE rule.
  image::Size map_size;
  // A turn of a conversation that goes on: its contexts have the system text.
  bool resumed = false;
  // Perceive then answer: whether maps are drawn.
  bool draw_maps = true;
  // Text only, generation: whether the thinking system text comes first (and,
  // in generation, whether a plan is written).
  bool think = true;
  // Map: what is drawn. Generation draws kImage.
  model::MapKind kind = model::MapKind::kDepth;
  // Interleaved: a text with neither answer nor request is decoded again on
  // the same context, as upstream does, in place of ending.
  bool repeat_without_request = false;
  // Text only: texts go to kNoImage too, as upstream's understanding does;
  // nothing ever reads it there.
  bool texts_to_no_image = false;
};

// The ops that add `inputs` in their order: texts to kCond and, with
// `guidance`, to kNoImage; images to kCond, as latents too with `latents`.
std::vector<ContextOp> InputOps(const std::vector<ProgramInput>& inputs,
                                bool guidance, bool latents);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PROGRAM_PROGRAM_H_
