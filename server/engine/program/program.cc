#include "server/engine/program/program.h"

#include "server/engine/program/tags.h"

namespace cooper::engine {

FinishWork FinishOf(FinishReason reason, absl::string_view text) {
  FinishWork work{reason, StripText(text), AnswerText(text), std::nullopt};
  work.boxed = FindBoxed(work.answer_text);
  return work;
}

std::vector<ContextOp> InputOps(const std::vector<ProgramInput>& inputs,
                                bool guidance, bool latents) {
  std::vector<ContextOp> ops;
  for (const ProgramInput& input : inputs) {
    if (const auto* text = std::get_if<TextPart>(&input)) {
      ops.emplace_back(PrefillOp{Branch::kCond, *text});
      if (guidance) ops.emplace_back(PrefillOp{Branch::kNoImage, *text});
      continue;
    }
    const int image = std::get<InputImage>(input).image;
    if (latents) ops.emplace_back(PrefillOp{Branch::kCond, LatentPart{image}});
    ops.emplace_back(PrefillOp{Branch::kCond,
                               VisionPart{VisionPart::Source::kInput, image}});
  }
  return ops;
}

}  // namespace cooper::engine
