#ifndef COOPER_SERVER_ENGINE_PROGRAM_TEXT_PROGRAM_H_
#define COOPER_SERVER_ENGINE_PROGRAM_TEXT_PROGRAM_H_

#include <string>
#include <vector>

#include "server/engine/program/program.h"

namespace cooper::engine {

// Text-only reasoning: images as the vision encoder sees them, one text, no
// guidance contexts.
class TextProgram final : public Program {
 public:
  // Reads prompts, max_think_tokens, think, texts_to_no_image, resumed.
  TextProgram(std::vector<ProgramInput> inputs, ProgramOptions options);

  Work Next() override;
  void OnText(const DecodedText& text) override;

 private:
  enum class State { kStart, kDecode, kFinish };

  std::vector<ProgramInput> inputs_;
  ProgramOptions options_;
  State state_ = State::kStart;
  std::string text_;
  bool hit_limit_ = false;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PROGRAM_TEXT_PROGRAM_H_
