#ifndef COOPER_TESTS_BENCH_LETTER_MODEL_H_
#define COOPER_TESTS_BENCH_LETTER_MODEL_H_

#include <chrono>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "model/unified_model.h"
#include "tests/bench/wave_stamps.h"

namespace cooper::bench {

// A model whose every token is the letter of its wave (WaveStamps): texts run
// to their limit whatever the weights are, and readers can tell when a token
// was made. All else is the model's that it is built on.
class LetterModel final : public model::UnifiedModel {
 public:
  // Decode ends at multiples of `period`; zero: when it is done.
  LetterModel(std::unique_ptr<model::UnifiedModel> model,
              absl::Duration period);

  const WaveStamps& stamps() const { return stamps_; }

  const model::ModelInfo& info() const override { return model_->info(); }
  const model::TextCodec& text_codec() const override {
    return model_->text_codec();
  }
  model::KvUsage kv_usage() const override { return model_->kv_usage(); }
  std::unique_ptr<model::Context> NewContext() override {
    return model_->NewContext();
  }
  absl::StatusOr<std::unique_ptr<model::AppendStep>> BeginAppend(
      absl::Span<model::AppendItem> items) override {
    return model_->BeginAppend(items);
  }
  absl::Status Decode(absl::Span<model::DecodeItem> items) override;
  absl::StatusOr<std::unique_ptr<model::Flow>> StartFlow(
      const model::FlowSpec& spec) override {
    return model_->StartFlow(spec);
  }
  absl::StatusOr<std::unique_ptr<model::FlowStep>> BeginFlowStep(
      absl::Span<model::Flow* const> flows) override {
    return model_->BeginFlowStep(flows);
  }
  absl::StatusOr<std::unique_ptr<model::Step>> BeginDecodeLatents(
      absl::Span<model::DecodeLatentsItem> items) override {
    return model_->BeginDecodeLatents(items);
  }
  absl::Status WarmUp() override { return model_->WarmUp(); }

 private:
  const std::unique_ptr<model::UnifiedModel> model_;
  const std::chrono::nanoseconds period_;
  std::chrono::steady_clock::time_point due_;
  std::vector<model::TokenId> ids_;  // of the letters
  WaveStamps stamps_;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_LETTER_MODEL_H_
