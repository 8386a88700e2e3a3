#ifndef COOPER_MODEL_FAKE_FAKE_MODEL_H_
#define COOPER_MODEL_FAKE_FAKE_MODEL_H_

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "model/fake/fake_codec.h"
#include "model/fake/fake_context.h"
#include "model/fake/fake_script.h"
#include "model/unified_model.h"

namespace cooper::fake {

// A model that writes what a script says and draws coloured bands, for tests
// and load tests of everything above the seam. It keeps the seam's rules:
// lineage, the pool's accounting, one thread, item and call statuses, results
// that depend on the item alone.
class FakeModel final : public model::UnifiedModel {
 public:
  using Call = FakeFault::Call;
  // A batched call, or a slice of a step, as it was made.
  struct Record {
    Call call = Call::kDecode;
    int items = 0;
    int64_t rows = 0;  // tokens; of denoisers: latent tokens * branches
    friend bool operator==(const Record&, const Record&) = default;
  };
  struct Hooks {
    // Waits for that long; empty: delays are slept for real.
    std::function<void(absl::Duration)> sleep;
    // Time for slices' budgets; empty: the process's.
    std::function<absl::Time()> now;
    // Called as a batched call, or a slice of a step, begins, on the caller's
    // thread.
    std::function<void(const Record&)> on_call;
    bool record = false;  // whether records() is kept
  };

  explicit FakeModel(FakeScript script);
  FakeModel(FakeScript script, Hooks hooks);

  const model::ModelInfo& info() const override { return info_; }
  const model::TextCodec& text_codec() const override { return codec_; }
  model::KvUsage kv_usage() const override;

  std::unique_ptr<model::Context> NewContext() override;
  absl::StatusOr<std::unique_ptr<model::PrefillStep>> BeginPrefill(
      absl::Span<model::PrefillItem> items) override;
  absl::Status Decode(absl::Span<model::DecodeItem> items) override;
  absl::StatusOr<std::unique_ptr<model::Denoiser>> StartDenoise(
      const model::DenoiseSpec& spec) override;
  absl::StatusOr<std::unique_ptr<model::DenoiseStep>> BeginDenoiseStep(
      absl::Span<model::Denoiser* const> denoisers) override;
  absl::StatusOr<std::unique_ptr<model::Step>> BeginVaeDecode(
      absl::Span<model::VaeDecodeItem> items) override;
  absl::Status WarmUp() override;
  std::optional<model::GpuMemory> gpu_memory() const override {
    return script_.gpu_memory;
  }

  // For tests; thread-safe.
  std::vector<Record> records() const ABSL_LOCKS_EXCLUDED(mutex_);
  int live_contexts() const { return pool_->contexts; }
  int live_denoisers() const { return pool_->denoisers; }
  int64_t used_tokens() const { return pool_->used_tokens; }
  // Rows that Append encoded so far.
  int64_t prefilled_tokens() const { return prefilled_tokens_; }
  // Of faults with the effect kLeak. On the thread that makes calls.
  size_t leaks() const { return leaked_.size(); }

 private:
  friend class FakePrefillStep;
  friend class FakeDenoiseStep;
  friend class FakeVaeDecodeStep;
  struct EncodedTexts {
    std::string match;
    std::vector<std::vector<model::TokenId>> texts;
  };

  // Counts a call, reports it, waits, and does what the faults say.
  absl::Status Enter(Record record,
                     absl::Duration delay = absl::ZeroDuration());
  // The fault of this item in the call that Enter counted last.
  absl::Status ItemFault(Call call, const std::vector<model::TokenId>& ids);
  // RESOURCE_EXHAUSTED where the call that Enter counted last is too large.
  absl::Status MemoryFault(
      Call call, size_t items,
      const std::function<std::vector<model::TokenId>(size_t)>& ids_of) const;
  void Sleep(absl::Duration duration) const;
  absl::Time Now() const;
  // The text that a context which got bos is about to hold.
  const std::vector<model::TokenId>* ChooseText(
      const std::vector<model::TokenId>& ids) const;

  const FakeScript script_;
  const Hooks hooks_;
  FakeCodec codec_;
  model::ModelInfo info_;
  std::shared_ptr<FakePool> pool_;
  std::vector<EncodedTexts> texts_;  // the default last, matching all
  std::array<int, 6> calls_ = {};    // by Call
  std::vector<std::string> leaked_;  // FakeFault::Effect::kLeak
  std::atomic<int64_t> prefilled_tokens_{0};
  mutable base::Mutex mutex_;
  std::vector<Record> records_ ABSL_GUARDED_BY(mutex_);
};

// A fake model after the script (see FakeScript) in a JSON file. NOT_FOUND or
// INVALID_ARGUMENT, naming the file and the key.
absl::StatusOr<std::unique_ptr<model::UnifiedModel>> LoadFakeModel(
    const std::string& path);

}  // namespace cooper::fake

#endif  // COOPER_MODEL_FAKE_FAKE_MODEL_H_
