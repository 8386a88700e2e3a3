#include "server/engine/program/reasoning_program.h"

#include <utility>

#include "base/check.h"

namespace cooper::engine {

ReasoningProgram::ReasoningProgram(std::vector<ProgramInput> inputs,
                                   ProgramOptions options)
    : inputs_(std::move(inputs)), options_(std::move(options)) {}

Work ReasoningProgram::Next() {
  switch (state_) {
    case State::kStart: {
      std::vector<ProgramInput> all;
      if (!options_.resumed) {
        all.emplace_back(
            TextPart{options_.prompts.interleave_reason_system_prompt,
                     TextOrigin::kSystem});
      }
      all.insert(all.end(), inputs_.begin(), inputs_.end());
      state_ = State::kDecode;
      return ContextWork{InputOps(all, /*guidance=*/true, /*latents=*/true)};
    }
    case State::kDecode:
      return DecodeWork{Branch::kCond, options_.max_think_tokens, turn_};
    case State::kRequested:
      state_ = State::kDraw;
      return Request();
    case State::kDraw:
      state_ = State::kLook;
      return DenoiseWork{request_.kind, options_.map_size, maps_,
                         StripText(request_.content)};
    case State::kLook: {
      Work look = Look();
      ++maps_;
      state_ = State::kDecode;
      return look;
    }
    case State::kFinish:
      break;
  }
  return FinishOf(reason_, text_);
}

void ReasoningProgram::OnText(const DecodedText& text) {
  COOPER_CHECK(state_ == State::kDecode);
  text_ = CutText(text.raw);
  ++turn_;
  const bool last = turn_ >= options_.max_turns;
  state_ = State::kFinish;
  if (HasAnswer(text_)) {
    reason_ = FinishReason::kAnswered;
    return;
  }
  std::optional<MapRequest> request = FindMapRequest(text_);
  if (!request.has_value() && options_.repeat_without_request && !last) {
    state_ = State::kDecode;
  } else if (!request.has_value() && text.hit_limit) {
    reason_ = FinishReason::kMaxTokens;
  } else if (last) {
    reason_ = FinishReason::kMaxTurns;
  } else if (!request.has_value()) {
    reason_ = FinishReason::kNoRequest;
  } else {
    request_ = *std::move(request);
    state_ = State::kRequested;
  }
}

// The text goes to all three, without its request to kNoText.
Work ReasoningProgram::Request() const {
  const TextPart text{text_, TextOrigin::kModel};
  return ContextWork{{
      ForkOp{Branch::kCond, Branch::kNoText},
      PrefillOp{Branch::kNoText, TextPart{WithoutMatch(text_, request_.match),
                                          TextOrigin::kModel}},
      PrefillOp{Branch::kCond, text},
      PrefillOp{Branch::kNoImage, text},
  }};
}

Work ReasoningProgram::Look() const {
  ContextWork work;
  for (const Branch branch : {Branch::kCond, Branch::kNoImage}) {
    work.ops.emplace_back(
        PrefillOp{branch, VisionPart{VisionPart::Source::kMap, maps_}});
    work.ops.emplace_back(
        PrefillOp{branch, TextPart{options_.prompts.reflection_prompt}});
  }
  return work;
}

}  // namespace cooper::engine
