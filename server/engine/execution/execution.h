#ifndef COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_H_
#define COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_H_

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/unified_model.h"
#include "server/engine/execution/context_appender.h"
#include "server/engine/execution/drawn_map.h"
#include "server/engine/execution/execution_observer.h"
#include "server/engine/execution/execution_spec.h"
#include "server/engine/execution/prompt_segments.h"
#include "server/engine/execution/text_decoder.h"
#include "server/engine/program/program.h"

namespace cooper::engine {

// One request under way: turns its program's work into items for the model, by
// way of a ContextAppender and a TextDecoder.
//
// It never calls the model's batched functions itself: the driver looks at
// `state()`, takes the item that belongs to it, has the model do it (with
// other requests' items, or alone), and hands the result back. Not thread-safe;
// destroy it on the driver's thread, and only once what it gave was dropped
// from a Step under way.
class Execution {
 public:
  enum class State {
    kPrefill,       // TakePrefills -> a PrefillStep -> OnPrefilled
    kDecode,        // TakeDecode -> Decode -> OnDecoded
    kDenoiseStart,  // StartDenoise
    kDenoiseStep,   // denoiser() in a DenoiseStep -> OnDenoiseStep
    kVaeDecode,     // TakeVaeDecode -> BeginVaeDecode's step -> OnVaeDecoded
    kRender,        // TakeRender -> any thread -> OnRendered
    kFinished,      // finish()
    kFailed,        // status()
  };

  // `model` and `observer` outlive it.
  Execution(model::UnifiedModel* model, ExecutionSpec spec,
            ExecutionObserver* observer);
  ~Execution();
  Execution(const Execution&) = delete;
  State state() const { return state_; }
  // As state(); of a failed one, the state in which it failed.
  State last_phase() const {
    return state_ == State::kFailed ? failed_in_ : state_;
  }

  // Texts of more rows go in parts, a call each. At first they go whole.
  void SetMaxPrefillPart(int64_t rows) { appender_.SetMaxPart(rows); }
  // Rows to come of such a text; 0: none went in part.
  int64_t prefill_part_rows_left() const { return appender_.part_rows_left(); }

  // kPrefill. Rows (tokens) of the segments that can go in one call.
  int64_t prefill_rows() const { return appender_.rows(); }
  // Adds items to `items`: as many as fit in `max_rows`, at least one, or none
  // where all is in the prefix cache by now, or another request encodes the
  // same in this batch (in the next it is in the cache). The items stay valid
  // until OnPrefilled gets them back, in the same order. Returns their rows.
  int64_t TakePrefills(int64_t max_rows,
                       std::vector<model::PrefillItem>* items);
  void OnPrefilled(absl::Span<const model::PrefillItem> items);
  // The items go into a second call, since the first failed without a result:
  // they draw the same noise again.
  void RetryPrefill();

  // kDecode.
  model::DecodeItem TakeDecode();
  void OnDecoded(const model::DecodeItem& item);

  // kDenoiseStart. Calls the model. Not OK only where the device failed, or
  // with RESOURCE_EXHAUSTED where its memory ran out: the state is as it was,
  // and another call draws the same noise. What concerns this request alone
  // makes the state kFailed.
  absl::Status StartDenoise();

  // kDenoiseStep. Rows of the next step: latent tokens times branches.
  model::Denoiser* denoiser() const { return denoiser_.get(); }
  int64_t denoise_rows() const;
  void OnDenoiseStep();

  // kVaeDecode: of a finished denoiser, or for a preview (the denoiser goes
  // on).
  model::VaeDecodeItem TakeVaeDecode();
  void OnVaeDecoded(model::VaeDecodeItem item);

  // kRender. Pixel work without the model; run it once, on any thread.
  std::function<std::shared_ptr<const DrawnMap>()> TakeRender();
  void OnRendered(const std::shared_ptr<const DrawnMap>& map);

  // kFinished. All contexts are given back.
  const FinishWork& finish() const { return finish_; }
  // Where contexts are kept: forks of them. kFinished: as they are then. Else
  // as they were once the program's first ContextWork, the inputs, was done;
  // null before.
  SessionContexts TakeKept() { return std::move(kept_); }
  // kFailed. The engine's error, with details.
  const absl::Status& status() const { return status_; }
  // Ends it with `status`; for a driver whose own work for it failed.
  void Fail(absl::Status status);

  // So far.
  using Totals = ExecutionTotals;
  const Totals& totals() const { return totals_; }

 private:
  // Each begins a piece of work; returns whether it waits for the driver.
  bool Begin(ContextWork work);
  bool Begin(DecodeWork work);
  bool Begin(DenoiseWork work);
  bool Begin(FinishWork work);
  void Advance();
  void ApplySteering();
  void KeepContexts();
  bool EndedPrefill();
  bool EndsText();
  void EndText(const DecodedText& text);
  model::Context* Ensure(Branch branch);
  std::unique_ptr<model::Context>& context(Branch branch) {
    return contexts_[static_cast<size_t>(branch)];
  }

  model::UnifiedModel* const model_;
  ExecutionSpec spec_;
  ExecutionObserver* const observer_;

  State state_ = State::kPrefill;
  State failed_in_ = State::kPrefill;
  ContextAppender::Contexts contexts_;
  PromptSegments segments_;
  ContextAppender appender_;
  TextDecoder decoder_;
  DenoiseWork denoise_work_;
  std::optional<model::ReplayedNoise> denoise_noise_;  // of a start that failed
  std::unique_ptr<model::Denoiser> denoiser_;
  bool preview_ = false;  // kVaeDecode is for a preview
  image::FloatRgbImage decoded_;
  FinishWork finish_;
  SessionContexts kept_;
  bool inputs_done_ = false;
  absl::Status status_;
  Totals totals_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_H_
