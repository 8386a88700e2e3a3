#ifndef COOPER_SERVER_ENGINE_PROGRAM_CONVERSE_PROGRAM_H_
#define COOPER_SERVER_ENGINE_PROGRAM_CONVERSE_PROGRAM_H_

#include <memory>
#include <string>
#include <vector>

#include "server/engine/program/program.h"

namespace cooper::engine {

// A turn of a conversation: another reasoning program, with three things
// added.
//
//   - Its first ContextWork appends the inputs and nothing else; the last text
//     is appended before the end, so that the context is the conversation's.
//   - Answer now: a text under way ends, unless it answers already. What was
//     written stays in the context: an open <think> is closed, a request for a
//     map taken out. Then `<answer>` is appended as a segment of its own, as in
//     perception-then-answer, and the answer is decoded. A map that was asked
//     for and not begun is left out.
//   - No more maps: a text that asks for a map is followed by the same.
//
// Reasons: those of `inner`; after a forced answer kAnswered, or kMaxTokens.
class ConverseProgram final : public Program {
 public:
  // `guidance`: texts go to kNoImage too, as those of `inner` do.
  ConverseProgram(std::unique_ptr<Program> inner, int max_think_tokens,
                  bool guidance);

  Work Next() override;
  void OnText(const DecodedText& text) override;
  void OnAnswerNow() override { answer_now_ = true; }
  void OnNoMoreMaps() override { no_more_maps_ = true; }
  bool EndsText(absl::string_view written) const override;

 private:
  enum class State {
    kInner,   // as `inner` says
    kAsk,     // append the opened answer
    kAnswer,  // decode it
    kKeep,    // append the last text
    kFinish,
  };

  // Of `inner`, less the maps that are not wanted any more.
  Work NextOfInner();
  Work Ask();
  // Appends to kCond and, with guidance, to kNoImage.
  void AddText(const TextPart& text, std::vector<ContextOp>* ops) const;

  const std::unique_ptr<Program> inner_;
  const int max_think_tokens_;
  const bool guidance_;
  State state_ = State::kInner;
  bool started_ = false;
  bool answer_now_ = false;
  bool no_more_maps_ = false;
  bool answering_ = false;       // the inner program decodes an answer
  std::vector<ContextOp> rest_;  // of the inner program's first ContextWork
  int turn_ = 0;                 // of the last text
  std::string text_;             // the last one, cut; not appended yet
  FinishWork finish_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PROGRAM_CONVERSE_PROGRAM_H_
