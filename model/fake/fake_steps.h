#ifndef COOPER_MODEL_FAKE_FAKE_STEPS_H_
#define COOPER_MODEL_FAKE_FAKE_STEPS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/fake/fake_model.h"
#include "model/unified_model.h"

namespace cooper::fake {

// The batches of a FakeModel that go in slices. Each takes as long as the
// script says; the results are there at its end.

class FakePrefillStep final : public model::PrefillStep {
 public:
  // Both outlive it.
  FakePrefillStep(FakeModel* model, absl::Span<model::PrefillItem> items);

  absl::StatusOr<bool> RunSlice(absl::Duration budget) override;
  void Drop(const model::Context* context) override;

 private:
  struct Entry {
    model::PrefillItem* item;
    std::vector<model::TokenId> ids;
    int64_t advance;  // of the position
    uint64_t hash;    // of an image's content
  };
  Entry EntryOf(model::PrefillItem* item) const;
  absl::Status Append(const Entry& entry);

  FakeModel* const model_;
  std::vector<Entry> entries_;
  bool begun_ = false;
  absl::Duration left_;
};

class FakeVaeDecodeStep final : public model::Step {
 public:
  // Both outlive it.
  FakeVaeDecodeStep(FakeModel* model, absl::Span<model::VaeDecodeItem> items)
      : model_(model), items_(items) {}

  absl::StatusOr<bool> RunSlice(absl::Duration budget) override;

 private:
  FakeModel* const model_;
  const absl::Span<model::VaeDecodeItem> items_;
  bool begun_ = false;
  absl::Duration left_;
};

// Layer by layer.
class FakeDenoiseStep final : public model::DenoiseStep {
 public:
  FakeDenoiseStep(FakeModel* model,
                  absl::Span<model::Denoiser* const> denoisers)
      : model_(model), denoisers_(denoisers.begin(), denoisers.end()) {}

  absl::StatusOr<bool> RunSlice(absl::Duration budget) override;
  void Drop(const model::Denoiser* denoiser) override {
    std::erase(denoisers_, denoiser);
  }

 private:
  FakeModel* const model_;
  std::vector<model::Denoiser*> denoisers_;
  int layer_ = 0;
};

}  // namespace cooper::fake

#endif  // COOPER_MODEL_FAKE_FAKE_STEPS_H_
