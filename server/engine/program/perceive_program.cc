#include "server/engine/program/perceive_program.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/engine/program/tags.h"

namespace cooper::engine {
namespace {

// Put before the answer as a segment of its own.
constexpr char kOpenAnswer[] = "<answer>";
constexpr int kMaps = 2;  // depth, then segmentation

}  // namespace

PerceiveProgram::PerceiveProgram(std::vector<ProgramInput> inputs,
                                 ProgramOptions options)
    : inputs_(std::move(inputs)), options_(std::move(options)) {}

const std::string& PerceiveProgram::prompt() const {
  return map_ == 0 ? options_.prompts.depth_prompt
                   : options_.prompts.segmentation_prompt;
}

void PerceiveProgram::Ask(std::vector<ContextOp>* ops) const {
  ops->emplace_back(ForkOp{Slot::kCond, Slot::kNoText});
  ops->emplace_back(AppendOp{Slot::kNoImage, TextPart{prompt()}});
  ops->emplace_back(AppendOp{Slot::kCond, TextPart{prompt()}});
}

Work PerceiveProgram::Next() {
  switch (state_) {
    case State::kStart: {
      std::vector<ProgramInput> all;
      if (!options_.resumed) {
        all.emplace_back(TextPart{options_.prompts.image_reason_system_prompt,
                                  TextOrigin::kSystem});
      }
      all.insert(all.end(), inputs_.begin(), inputs_.end());
      ContextWork work{InputOps(all, /*guidance=*/true, /*latents=*/true)};
      if (!options_.draw_maps) {
        work.ops.emplace_back(AppendOp{Slot::kCond, TextPart{kOpenAnswer}});
        state_ = State::kDecode;
        return work;
      }
      Ask(&work.ops);
      state_ = State::kDraw;
      return work;
    }
    case State::kDraw:
      state_ = State::kLook;
      return FlowWork{
          map_ == 0 ? model::MapKind::kDepth : model::MapKind::kSegmentation,
          options_.map_size, map_, RequestWords(prompt())};
    case State::kLook: {
      const VisionPart map{VisionPart::Source::kMap, map_};
      ContextWork work{
          {AppendOp{Slot::kCond, map}, AppendOp{Slot::kNoImage, map}}};
      if (++map_ < kMaps) {
        Ask(&work.ops);
        state_ = State::kDraw;
      } else {
        work.ops.emplace_back(AppendOp{Slot::kCond, TextPart{kOpenAnswer}});
        state_ = State::kDecode;
      }
      return work;
    }
    case State::kDecode:
      return DecodeWork{Slot::kCond, options_.max_think_tokens, /*turn=*/0,
                        TextChannel::kAnswer};
    case State::kFinish:
      break;
  }
  return FinishOf(
      hit_limit_ ? FinishReason::kMaxTokens : FinishReason::kAnswered,
      absl::StrCat(kOpenAnswer, text_));
}

void PerceiveProgram::OnText(const DecodedText& text) {
  COOPER_CHECK(state_ == State::kDecode);
  text_ = CutText(text.raw);
  hit_limit_ = text.hit_limit && !HasAnswer(absl::StrCat(kOpenAnswer, text_));
  state_ = State::kFinish;
}

}  // namespace cooper::engine
