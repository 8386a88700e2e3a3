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
#include "server/engine/program/work.h"

// What one request has the model do, as a pure state machine: no thread, no
// clock, no tensor. A program names its contexts by branch and its images by
// index, asks for one piece of work at a time, and is told of the texts.

namespace cooper::engine {

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
