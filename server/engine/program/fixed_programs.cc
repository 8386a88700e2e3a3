#include "server/engine/program/fixed_programs.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/engine/program/tags.h"

namespace cooper::engine {
namespace {

constexpr int kMaps = 2;  // of PerceiveProgram: depth, then segmentation

// The ops of `inputs`, with the fork to kNoText before the last text but after
// the last image.
std::vector<ContextOp> GuidedInputOps(const std::vector<ProgramInput>& inputs) {
  const bool text_last =
      !inputs.empty() && std::holds_alternative<TextPart>(inputs.back());
  const auto split = inputs.end() - (text_last ? 1 : 0);
  std::vector<ContextOp> ops =
      InputOps({inputs.begin(), split}, /*guidance=*/true, /*latents=*/true);
  ops.emplace_back(ForkOp{Branch::kCond, Branch::kNoText});
  for (ContextOp& op :
       InputOps({split, inputs.end()}, /*guidance=*/true, /*latents=*/true)) {
    ops.push_back(std::move(op));
  }
  return ops;
}

// The words that ask for the drawing: the last text, or empty.
std::string LastText(const std::vector<ProgramInput>& inputs) {
  for (auto input = inputs.rbegin(); input != inputs.rend(); ++input) {
    if (const auto* text = std::get_if<TextPart>(&*input)) return text->text;
  }
  return {};
}

}  // namespace

// ---- Text only

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
      return DecodeWork{Branch::kCond, options_.max_think_tokens, /*turn=*/0};
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

// ---- Perceive, then answer

PerceiveProgram::PerceiveProgram(std::vector<ProgramInput> inputs,
                                 ProgramOptions options)
    : inputs_(std::move(inputs)), options_(std::move(options)) {}

const std::string& PerceiveProgram::prompt() const {
  return map_ == 0 ? options_.prompts.depth_prompt
                   : options_.prompts.segmentation_prompt;
}

void PerceiveProgram::Ask(std::vector<ContextOp>* ops) const {
  ops->emplace_back(ForkOp{Branch::kCond, Branch::kNoText});
  ops->emplace_back(PrefillOp{Branch::kNoImage, TextPart{prompt()}});
  ops->emplace_back(PrefillOp{Branch::kCond, TextPart{prompt()}});
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
        work.ops.emplace_back(
            PrefillOp{Branch::kCond, TextPart{std::string(kOpenAnswer)}});
        state_ = State::kDecode;
        return work;
      }
      Ask(&work.ops);
      state_ = State::kDraw;
      return work;
    }
    case State::kDraw:
      state_ = State::kLook;
      return DenoiseWork{
          map_ == 0 ? model::MapKind::kDepth : model::MapKind::kSegmentation,
          options_.map_size, map_, RequestWords(prompt())};
    case State::kLook: {
      const VisionPart map{VisionPart::Source::kMap, map_};
      ContextWork work{
          {PrefillOp{Branch::kCond, map}, PrefillOp{Branch::kNoImage, map}}};
      if (++map_ < kMaps) {
        Ask(&work.ops);
        state_ = State::kDraw;
      } else {
        work.ops.emplace_back(
            PrefillOp{Branch::kCond, TextPart{std::string(kOpenAnswer)}});
        state_ = State::kDecode;
      }
      return work;
    }
    case State::kDecode:
      return DecodeWork{Branch::kCond, options_.max_think_tokens, /*turn=*/0,
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

// ---- A map

MapProgram::MapProgram(std::vector<ProgramInput> inputs, ProgramOptions options)
    : inputs_(std::move(inputs)), options_(std::move(options)) {}

Work MapProgram::Next() {
  switch (state_) {
    case State::kStart:
      state_ = State::kDraw;
      return ContextWork{GuidedInputOps(inputs_)};
    case State::kDraw:
      state_ = State::kFinish;
      return DenoiseWork{options_.kind, options_.map_size, /*map_id=*/0,
                         RequestWords(LastText(inputs_)), /*fed_back=*/false};
    case State::kFinish:
      break;
  }
  return FinishOf(FinishReason::kAnswered, "");
}

void MapProgram::OnText(const DecodedText&) {
  COOPER_CHECK(false);  // no text was asked for
}

// ---- An image

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
      return DecodeWork{Branch::kCond, options_.max_think_tokens, /*turn=*/0};
    case State::kPlanned:
      state_ = State::kDraw;
      return ContextWork{
          {PrefillOp{Branch::kCond, TextPart{text_, TextOrigin::kModel}}}};
    case State::kDraw:
      state_ = State::kFinish;
      return DenoiseWork{model::MapKind::kImage, options_.map_size,
                         /*map_id=*/0, LastText(inputs_), /*fed_back=*/false};
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
