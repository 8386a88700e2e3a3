#ifndef COOPER_TESTS_GOLDEN_LOOP_RECORDER_H_
#define COOPER_TESTS_GOLDEN_LOOP_RECORDER_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "server/engine/execution/execution.h"
#include "server/engine/program/program.h"
#include "tests/golden/comparison.h"
#include "tests/golden/golden_data.h"
#include "tests/golden/loop_events.h"
#include "tests/testing/recording_model.h"

namespace cooper::golden {

// Follows a run of the engine from both sides: it is the model that the
// execution calls, and is told what the program asks for (RecordedProgram).
// Compares maps and contexts as they come, and the events in the end.
class LoopRecorder final : public testing::RecordingModel {
 public:
  using Json = nlohmann::json;

  // `feed_golden`: the model looks at the golden images, so that what follows
  // can be compared tightly. All outlive it.
  LoopRecorder(model::UnifiedModel* model, const GoldenData& goldens,
               const Json& golden, const LoopInputs* inputs, bool feed_golden,
               Comparison* out);

  void OnWork(const engine::Work& work);
  // The text of the DecodeWork that came last, where it is not to be decoded.
  std::optional<std::string> KnownText();
  void OnText(const std::string& raw) { events_.AddText(raw); }
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
  void CheckNorms(const std::string& name, const model::Context& context);
  std::string Map(const std::string& tensor) const;
  bool tight() const { return maps_ == 0 || feed_golden_; }

  const GoldenData& goldens_;
  const Json& golden_;
  const bool feed_golden_;
  Comparison* const out_;

  LoopEvents events_;
  engine::DecodeWork decode_;
  engine::DenoiseWork denoise_;
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
