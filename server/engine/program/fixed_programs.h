#ifndef COOPER_SERVER_ENGINE_PROGRAM_FIXED_PROGRAMS_H_
#define COOPER_SERVER_ENGINE_PROGRAM_FIXED_PROGRAMS_H_

#include <string>
#include <vector>

#include "server/engine/program/program.h"

// The programs whose course does not depend on what the model writes.

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

#endif  // COOPER_SERVER_ENGINE_PROGRAM_FIXED_PROGRAMS_H_
