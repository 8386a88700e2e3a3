#ifndef COOPER_TESTS_TESTING_FORWARDING_MODEL_H_
#define COOPER_TESTS_TESTING_FORWARDING_MODEL_H_

#include <memory>
#include <optional>

#include "model/unified_model.h"

namespace cooper::testing {

// Passes every call on to another model, which must outlive it. Tests and
// benchmarks derive from it and override the calls that they change.
class ForwardingModel : public model::UnifiedModel {
 public:
  explicit ForwardingModel(model::UnifiedModel* model) : model_(model) {}

  const model::ModelInfo& info() const override { return model_->info(); }
  const model::TextCodec& text_codec() const override {
    return model_->text_codec();
  }
  model::KvUsage kv_usage() const override { return model_->kv_usage(); }
  std::optional<model::GpuMemory> gpu_memory() const override {
    return model_->gpu_memory();
  }
  std::unique_ptr<model::Context> NewContext() override {
    return model_->NewContext();
  }
  absl::StatusOr<std::unique_ptr<model::PrefillStep>> BeginPrefill(
      absl::Span<model::PrefillItem> items) override {
    return model_->BeginPrefill(items);
  }
  absl::Status Decode(absl::Span<model::DecodeItem> items) override {
    return model_->Decode(items);
  }
  absl::StatusOr<std::unique_ptr<model::Denoiser>> StartDenoise(
      const model::DenoiseSpec& spec) override {
    return model_->StartDenoise(spec);
  }
  absl::StatusOr<std::unique_ptr<model::DenoiseStep>> BeginDenoiseStep(
      absl::Span<model::Denoiser* const> denoisers) override {
    return model_->BeginDenoiseStep(denoisers);
  }
  absl::StatusOr<std::unique_ptr<model::Step>> BeginVaeDecode(
      absl::Span<model::VaeDecodeItem> items) override {
    return model_->BeginVaeDecode(items);
  }
  absl::Status WarmUp() override { return model_->WarmUp(); }

 protected:
  model::UnifiedModel* model() const { return model_; }

 private:
  model::UnifiedModel* const model_;
};

}  // namespace cooper::testing

#endif  // COOPER_TESTS_TESTING_FORWARDING_MODEL_H_
