#ifndef COOPER_TESTS_SERVER_ENGINE_SHORT_OF_MEMORY_H_
#define COOPER_TESTS_SERVER_ENGINE_SHORT_OF_MEMORY_H_

#include <algorithm>
#include <memory>
#include <random>
#include <utility>

#include "tests/testing/forwarding_model.h"

namespace cooper::engine {

// A model that runs out of memory at random in calls for several requests, in
// the middle of the work. It learns how many items the calls for one request
// have: until the first call that decodes several tokens, they all are.
class ShortOfMemory final : public testing::ForwardingModel {
 public:
  explicit ShortOfMemory(model::UnifiedModel* model) : ForwardingModel(model) {}

  absl::StatusOr<std::unique_ptr<model::PrefillStep>> BeginPrefill(
      absl::Span<model::PrefillItem> items) override {
    auto step = model()->BeginPrefill(items);
    if (!step.ok()) return step;
    if (!several_) largest_alone_ = std::max(largest_alone_, items.size());
    return std::make_unique<Prefill>(this, *std::move(step),
                                     items.size() > largest_alone_);
  }
  absl::Status Decode(absl::Span<model::DecodeItem> items) override {
    several_ = several_ || items.size() > 1;
    if (items.size() > 1 && random_() % 4 == 0) return Fail();
    return model()->Decode(items);
  }
  absl::StatusOr<std::unique_ptr<model::DenoiseStep>> BeginDenoiseStep(
      absl::Span<model::Denoiser* const> denoisers) override {
    auto step = model()->BeginDenoiseStep(denoisers);
    if (!step.ok()) return step;
    return std::make_unique<Denoise>(this, *std::move(step),
                                     denoisers.size() > 1);
  }

  // Calls that ran out of memory: prefill, decode and denoising.
  int failures() const { return failures_; }

 private:
  static constexpr int kSlices = 40;

  // Fails before its first slice, or after any but the last, whose results are
  // there.
  template <typename Base, typename Item>
  class Failing final : public Base {
   public:
    Failing(ShortOfMemory* model, std::unique_ptr<Base> step, bool may_fail)
        : model_(model),
          step_(std::move(step)),
          slices_left_(may_fail ? model->NextSlices() : -1) {}
    absl::StatusOr<bool> RunSlice(absl::Duration budget) override {
      if (slices_left_ == 0) return model_->Fail();
      if (slices_left_ > 0) --slices_left_;
      // A small part, so that there are several.
      return step_->RunSlice(std::min(budget, absl::Microseconds(100)));
    }
    void Drop(const Item* item) override { step_->Drop(item); }

   private:
    ShortOfMemory* const model_;
    const std::unique_ptr<Base> step_;
    int slices_left_;  // until it fails; below 0: it does not
  };
  using Prefill = Failing<model::PrefillStep, model::Context>;
  using Denoise = Failing<model::DenoiseStep, model::Denoiser>;

  absl::Status Fail() {
    ++failures_;
    return absl::ResourceExhaustedError("out of memory on purpose");
  }
  int NextSlices() { return static_cast<int>(random_() % kSlices); }

  std::mt19937 random_{7};
  size_t largest_alone_ = 0;
  bool several_ = false;
  int failures_ = 0;
};

}  // namespace cooper::engine

#endif  // COOPER_TESTS_SERVER_ENGINE_SHORT_OF_MEMORY_H_
