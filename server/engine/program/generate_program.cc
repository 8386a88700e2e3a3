#include "server/engine/program/generate_program.h"

#include <utility>

#include "base/check.h"
#include "server/engine/program/map_program.h"
#include "server/engine/program/tags.h"

namespace cooper::engine {

GenerateProgram::GenerateProgram(std::vector<ProgramInput> inputs,
                                 ProgramOptions options)
    : inputs_(std::move(inputs)), options_(std::move(options)) {}

Work GenerateProgram::Next() {
  switch (state_) {
    case State::kStart: {
      std::vector<ProgramInput> all;
      if (options_.think) {
        all.emplace_back(TextPart{options_.prompts.gen_think_system_prompt,
                                  TextOrigin::kSystem});
      }
      all.insert(all.end(), inputs_.begin(), inputs_.end());
      state_ = options_.think ? State::kDecode : State::kDraw;
      return ContextWork{GuidedInputOps(all)};
    }
    case State::kDecode:
      return DecodeWork{Slot::kCond, options_.max_think_tokens, /*turn=*/0};
    case State::kPlanned:
      state_ = State::kDraw;
      return ContextWork{
          {AppendOp{Slot::kCond, TextPart{text_, TextOrigin::kModel}}}};
    case State::kDraw:
      state_ = State::kFinish;
      return FlowWork{model::MapKind::kImage, options_.map_size, /*map_id=*/0,
                      LastText(inputs_), /*fed_back=*/false};
    case State::kFinish:
      break;
  }
  return FinishOf(FinishReason::kAnswered, text_);
}

void GenerateProgram::OnText(const DecodedText& text) {
  COOPER_CHECK(state_ == State::kDecode);
  text_ = CutText(text.raw);
  state_ = State::kPlanned;
}

}  // namespace cooper::engine
