#include "server/engine/program/map_program.h"

#include <utility>

#include "base/check.h"
#include "server/engine/program/tags.h"

namespace cooper::engine {

std::vector<ContextOp> GuidedInputOps(const std::vector<ProgramInput>& inputs) {
  // Behind the last input stands nothing; behind a last text stands no image.
  const bool text_last =
      !inputs.empty() && std::holds_alternative<TextPart>(inputs.back());
  const auto split = inputs.end() - (text_last ? 1 : 0);
  std::vector<ContextOp> ops =
      InputOps({inputs.begin(), split}, /*guidance=*/true, /*latents=*/true);
  ops.emplace_back(ForkOp{Slot::kCond, Slot::kNoText});
  for (ContextOp& op :
       InputOps({split, inputs.end()}, /*guidance=*/true, /*latents=*/true)) {
    ops.push_back(std::move(op));
  }
  return ops;
}

std::string LastText(const std::vector<ProgramInput>& inputs) {
  for (auto input = inputs.rbegin(); input != inputs.rend(); ++input) {
    if (const auto* text = std::get_if<TextPart>(&*input)) return text->text;
  }
  return {};
}

MapProgram::MapProgram(std::vector<ProgramInput> inputs, ProgramOptions options)
    : inputs_(std::move(inputs)), options_(std::move(options)) {}

Work MapProgram::Next() {
  switch (state_) {
    case State::kStart:
      state_ = State::kDraw;
      return ContextWork{GuidedInputOps(inputs_)};
    case State::kDraw:
      state_ = State::kFinish;
      return FlowWork{options_.kind, options_.map_size, /*map_id=*/0,
                      RequestWords(LastText(inputs_)), /*fed_back=*/false};
    case State::kFinish:
      break;
  }
  return FinishOf(FinishReason::kAnswered, "");
}

void MapProgram::OnText(const DecodedText&) {
  COOPER_CHECK(false);  // no text was asked for
}

}  // namespace cooper::engine
