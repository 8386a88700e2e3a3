#ifndef COOPER_SERVER_ENGINE_PROGRAM_REASONING_PROGRAM_H_
#define COOPER_SERVER_ENGINE_PROGRAM_REASONING_PROGRAM_H_

#include <string>
#include <vector>

#include "server/engine/program/program.h"
#include "server/engine/program/tags.h"

namespace cooper::engine {

// The interleaved loop (model-spec section 6): think, ask for a map, look at
// it, think on, answer.
//
// Reasons: kAnswered; kMaxTokens: a text hit its limit with neither answer nor
// request; kMaxTurns: the last allowed text has no answer; kNoRequest: a text
// before the last has neither.
class ReasoningProgram final : public Program {
 public:
  // Reads prompts, max_turns, max_think_tokens, map_size,
  // repeat_without_request, resumed.
  ReasoningProgram(std::vector<ProgramInput> inputs, ProgramOptions options);

  Work Next() override;
  void OnText(const DecodedText& text) override;

 private:
  enum class State { kStart, kDecode, kRequested, kDraw, kLook, kFinish };

  Work Request() const;
  Work Look() const;

  std::vector<ProgramInput> inputs_;
  ProgramOptions options_;
  State state_ = State::kStart;
  int turn_ = 0;      // texts decoded
  int maps_ = 0;      // maps drawn
  std::string text_;  // the last one, cut
  MapRequest request_;
  FinishReason reason_ = FinishReason::kAnswered;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PROGRAM_REASONING_PROGRAM_H_
