#include "server/engine/program/converse_program.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/engine/program/tags.h"

namespace cooper::engine {
namespace {

// `text` as it can stand before an answer: without requests for maps, begun
// ones included, and with its thought closed.
std::string Settled(std::string text) {
  text = WithoutRequests(std::move(text));
  const absl::string_view written = text;
  const size_t opened = written.rfind(kOpenThought);
  if (opened != std::string::npos &&
      written.find(kCloseThought, opened) == std::string::npos) {
    absl::StrAppend(&text, kCloseThought);
  }
  return text;
}

// Takes out what prepares a map: programs fork kNoText first.
std::vector<ContextOp> CutMapOps(std::vector<ContextOp>* ops) {
  const auto fork = std::find_if(
      ops->begin(), ops->end(),
      [](const ContextOp& op) { return std::holds_alternative<ForkOp>(op); });
  std::vector<ContextOp> cut(fork, ops->end());
  ops->erase(fork, ops->end());
  return cut;
}

}  // namespace

ConverseProgram::ConverseProgram(std::unique_ptr<Program> inner,
                                 int max_think_tokens, bool guidance)
    : inner_(std::move(inner)),
      max_think_tokens_(max_think_tokens),
      guidance_(guidance) {}

Work ConverseProgram::Next() {
  switch (state_) {
    case State::kInner:
      return NextOfInner();
    case State::kAsk:
      state_ = State::kAnswer;
      return Ask();
    case State::kAnswer:
      return DecodeWork{Branch::kCond, max_think_tokens_, turn_,
                        TextChannel::kAnswer};
    case State::kKeep: {
      state_ = State::kFinish;
      ContextWork work;
      AddText({text_, TextOrigin::kModel}, &work.ops);
      return work;
    }
    case State::kFinish:
      break;
  }
  return std::move(finish_);
}

Work ConverseProgram::NextOfInner() {
  const bool no_maps = answer_now_ || no_more_maps_;
  Work work = rest_.empty() ? inner_->Next()
                            : Work(ContextWork{std::exchange(rest_, {})});
  if (auto* context = std::get_if<ContextWork>(&work)) {
    std::vector<ContextOp> map_ops = CutMapOps(&context->ops);
    if (!started_) {
      started_ = true;
      rest_ = std::move(map_ops);
      return work;
    }
    if (!map_ops.empty() && no_maps) {
      state_ = State::kAsk;
      return context->ops.empty() ? Next() : work;
    }
    context->ops.insert(context->ops.end(), map_ops.begin(), map_ops.end());
    text_.clear();  // the inner program appended it
    return work;
  }
  if (const auto* decode = std::get_if<DecodeWork>(&work)) {
    turn_ = decode->turn;
    answering_ = decode->channel == TextChannel::kAnswer;
    if (!answer_now_ || answering_) return work;
    state_ = State::kAsk;
    return Next();
  }
  if (std::holds_alternative<DenoiseWork>(work)) {
    if (!no_maps) return work;
    state_ = State::kAsk;
    return Next();
  }
  finish_ = std::move(std::get<FinishWork>(work));
  state_ = State::kKeep;
  return Next();
}

void ConverseProgram::AddText(const TextPart& text,
                              std::vector<ContextOp>* ops) const {
  ops->emplace_back(PrefillOp{Branch::kCond, text});
  if (guidance_) ops->emplace_back(PrefillOp{Branch::kNoImage, text});
}

Work ConverseProgram::Ask() {
  ContextWork work;
  const std::string before = Settled(std::exchange(text_, {}));
  if (!StripText(before).empty()) {
    AddText({before, TextOrigin::kModel}, &work.ops);
  }
  AddText({std::string(kOpenAnswer), TextOrigin::kFixed}, &work.ops);
  return work;
}

bool ConverseProgram::EndsText(absl::string_view written) const {
  return answer_now_ && state_ == State::kInner && !answering_ &&
         !absl::StrContains(WithoutThoughts(written), kOpenAnswer);
}

void ConverseProgram::OnText(const DecodedText& text) {
  text_ = CutText(text.raw);
  if (state_ == State::kInner) {
    const bool no_maps = answer_now_ || no_more_maps_;
    const bool asks = no_maps && FindMapRequest(text_).has_value();
    if (answering_ || HasAnswer(text_) || !(text.interrupted || asks)) {
      return inner_->OnText(text);
    }
    ++turn_;
    state_ = State::kAsk;
    return;
  }
  COOPER_CHECK(state_ == State::kAnswer);
  const std::string whole = absl::StrCat(kOpenAnswer, text_);
  finish_ =
      FinishOf(text.hit_limit && !HasAnswer(whole) ? FinishReason::kMaxTokens
                                                   : FinishReason::kAnswered,
               whole);
  state_ = State::kKeep;
}

}  // namespace cooper::engine
