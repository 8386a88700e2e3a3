#include "server/engine/program/text_program.h"

#include <utility>

#include "base/check.h"
#include "server/engine/program/tags.h"

namespace cooper::engine {

TextProgram::TextProgram(std::vector<ProgramInput> inputs,
                         ProgramOptions options)
    : inputs_(std::move(inputs)), options_(std::move(options)) {}

Work TextProgram::Next() {
  switch (state_) {
    case State::kStart: {
      std::vector<ProgramInput> all;
      if (options_.think && !options_.resumed) {
        all.emplace_back(TextPart{options_.prompts.vlm_think_system_prompt,
                                  TextOrigin::kSystem});
      }
      all.insert(all.end(), inputs_.begin(), inputs_.end());
      state_ = State::kDecode;
      return ContextWork{
          InputOps(all, options_.texts_to_no_image, /*latents=*/false)};
    }
    case State::kDecode:
      return DecodeWork{Slot::kCond, options_.max_think_tokens, /*turn=*/0};
    case State::kFinish:
      break;
  }
  return FinishOf(
      hit_limit_ ? FinishReason::kMaxTokens : FinishReason::kAnswered, text_);
}

void TextProgram::OnText(const DecodedText& text) {
  COOPER_CHECK(state_ == State::kDecode);
  text_ = CutText(text.raw);
  hit_limit_ = text.hit_limit && !HasAnswer(text_);
  state_ = State::kFinish;
}

}  // namespace cooper::engine
