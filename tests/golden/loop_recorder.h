#ifndef COOPER_TESTS_GOLDEN_LOOP_RECORDER_H_
#define COOPER_TESTS_GOLDEN_LOOP_RECORDER_H_

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "server/engine/execution/execution.h"
#include "server/engine/program/program.h"
#include "tests/golden/comparison.h"
#include "tests/golden/golden_data.h"
#include "tests/testing/recording_model.h"

namespace cooper::golden {

// The inputs of a run, in the forms that a program and an execution take.
struct LoopInputs {
  std::vector<engine::ProgramInput> program;
  std::vector<engine::PreparedImage> images;
  image::Size map_size;
};

// Follows a run of the engine from both sides: it is the model that the
// execution calls, and is told what the program asks for (RecordedProgram).
// Writes the run's events in the goldens' form, and compares maps and contexts
// as they come.
class LoopRecorder final : public testing::RecordingModel {
 public:
  using Json = nlohmann::json;

  // `feed_golden`: the model looks at the golden images, so that what follows
  // can be compared tightly. All outlive it.
  LoopRecorder(model::UnifiedModel* model, const GoldenData& goldens,
               const Json& golden, const LoopInputs& inputs, bool feed_golden,
               Comparison* out);

  void OnWork(const engine::Work& work);
  // The text of the DecodeWork that came last, where it is not to be decoded.
  std::optional<std::string> KnownText();
  void OnText(const std::string& raw) { texts_.push_back(raw); }
  // Compares a map. Returns it as the model is to see it.
  std::shared_ptr<const engine::DrawnMap> Show(
      std::shared_ptr<const engine::DrawnMap> map);
  // After the run, which kept its contexts.
  void Finish(engine::Execution* execution);

  absl::Status Decode(absl::Span<model::DecodeItem> items) override;
  absl::StatusOr<std::unique_ptr<model::Denoiser>> StartDenoise(
      const model::DenoiseSpec& spec) override;
  absl::StatusOr<std::unique_ptr<model::Step>> BeginVaeDecode(
      absl::Span<model::VaeDecodeItem> items) override;

 private:
  // A prefill that the program asked for, and what it did to the counters: seen
  // once a context that holds it reaches the model.
  struct Prefill {
    size_t event = 0;
    bool joins = false;  // the event is that of the prefill before
    std::optional<Growth> growth;
  };
  // A text, decoded on what `after` (an index into prefills_) left.
  struct Text {
    size_t event = 0;
    std::optional<size_t> after;
  };

  void OnPrefill(const engine::PrefillOp& op);
  // `context` is that of `branch`.
  void See(engine::Branch branch, const model::Context& context);
  void FillCounters();
  void CheckEvents();
  void CheckNorms(const std::string& name, const model::Context& context);
  std::string Map(const std::string& tensor) const;
  bool tight() const { return maps_ == 0 || feed_golden_; }

  const GoldenData& goldens_;
  const Json& golden_;
  const LoopInputs& inputs_;
  const bool feed_golden_;
  Comparison* const out_;

  std::vector<Json> events_;
  std::vector<Prefill> prefills_;
  std::vector<Text> decodes_;
  // By branch: indices into prefills_.
  std::array<std::vector<size_t>, engine::kBranches> held_;
  bool latents_came_last_ = false;
  engine::DecodeWork decode_;
  engine::DenoiseWork denoise_;
  std::vector<std::string> texts_;
  int maps_ = 0;
};

// A program that tells a recorder of its work, and gets known texts from it.
class RecordedProgram final : public engine::Program {
 public:
  RecordedProgram(std::unique_ptr<engine::Program> program,
                  LoopRecorder* recorder)
      : program_(std::move(program)), recorder_(recorder) {}
  engine::Work Next() override;
  void OnText(const engine::DecodedText& text) override;

 private:
  const std::unique_ptr<engine::Program> program_;
  LoopRecorder* const recorder_;
};

}  // namespace cooper::golden

#endif  // COOPER_TESTS_GOLDEN_LOOP_RECORDER_H_
