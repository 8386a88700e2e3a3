#ifndef COOPER_SERVER_ENGINE_PROGRAM_MAP_PROGRAM_H_
#define COOPER_SERVER_ENGINE_PROGRAM_MAP_PROGRAM_H_

#include <vector>

#include "server/engine/program/program.h"

namespace cooper::engine {

// One depth map or segmentation and nothing else. The caller puts the prompt
// among the inputs; kNoText is the context before the last text but after the
// last image.
class MapProgram final : public Program {
 public:
  // Reads kind, map_size.
  MapProgram(std::vector<ProgramInput> inputs, ProgramOptions options);

  Work Next() override;
  void OnText(const DecodedText& text) override;

 private:
  enum class State { kStart, kDraw, kFinish };

  std::vector<ProgramInput> inputs_;
  ProgramOptions options_;
  State state_ = State::kStart;
};

// The ops of `inputs` with the fork to kNoText where the definition above
// says; shared with generation.
std::vector<ContextOp> GuidedInputOps(const std::vector<ProgramInput>& inputs);

// The words that ask for the drawing: the last text, or empty.
std::string LastText(const std::vector<ProgramInput>& inputs);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PROGRAM_MAP_PROGRAM_H_
