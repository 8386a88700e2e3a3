#ifndef COOPER_SERVER_ENGINE_PROGRAM_GENERATE_PROGRAM_H_
#define COOPER_SERVER_ENGINE_PROGRAM_GENERATE_PROGRAM_H_

#include <string>
#include <vector>

#include "server/engine/program/program.h"

namespace cooper::engine {

// Draws a picture from a text, or edits an image; with `think` it writes a
// plan first, which guides kCond only.
class GenerateProgram final : public Program {
 public:
  // Reads prompts, max_think_tokens, map_size, think.
  GenerateProgram(std::vector<ProgramInput> inputs, ProgramOptions options);

  Work Next() override;
  void OnText(const DecodedText& text) override;

 private:
  enum class State { kStart, kDecode, kPlanned, kDraw, kFinish };

  std::vector<ProgramInput> inputs_;
  ProgramOptions options_;
  State state_ = State::kStart;
  std::string text_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PROGRAM_GENERATE_PROGRAM_H_
