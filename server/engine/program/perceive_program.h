#ifndef COOPER_SERVER_ENGINE_PROGRAM_PERCEIVE_PROGRAM_H_
#define COOPER_SERVER_ENGINE_PROGRAM_PERCEIVE_PROGRAM_H_

#include <string>
#include <vector>

#include "server/engine/program/program.h"

namespace cooper::engine {

// Perceive, then answer: always a depth map, then a segmentation, then one
// text that continues `<answer>`.
class PerceiveProgram final : public Program {
 public:
  // Reads prompts, max_think_tokens, map_size.
  PerceiveProgram(std::vector<ProgramInput> inputs, ProgramOptions options);

  Work Next() override;
  void OnText(const DecodedText& text) override;

 private:
  enum class State { kStart, kDraw, kLook, kDecode, kFinish };

  void Ask(std::vector<ContextOp>* ops) const;
  const std::string& prompt() const;

  std::vector<ProgramInput> inputs_;
  ProgramOptions options_;
  State state_ = State::kStart;
  int map_ = 0;  // 0: depth, 1: segmentation
  std::string text_;
  bool hit_limit_ = false;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PROGRAM_PERCEIVE_PROGRAM_H_
