#include "model/torch/paced_pass.h"

#include "base/status_macros.h"

namespace cooper::torch_model {

absl::Status PacedPass::Run(SliceBudget* slice) {
  if (slice->left() == absl::InfiniteDuration()) {
    pass_.RunAll();
    slice->Ran();
    return Synchronize(device_);
  }
  while (!pass_.done()) {
    COOPER_ASSIGN_OR_RETURN(const bool ran, RunPart(*slice));
    if (!ran) break;
    slice->Ran();
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> PacedPass::RunPart(const SliceBudget& slice) {
  const absl::Duration left = slice.left();
  if (!transformer_->exact_by_row()) {
    if (!slice.must() && left <= layer_time_) return false;
    absl::Status status;
    layer_time_ = TimeOf([&] {
      pass_.RunLayer();
      status = Synchronize(device_);
    });
    COOPER_RETURN_IF_ERROR(status);
    return true;
  }
  static_assert(SlicePacer::kStages == Pass::kStages);
  const int stage = static_cast<int>(pass_.next_stage());
  const int64_t rows =
      pacer_.Rows(stage, pass_.rows_left(), left, slice.must());
  if (rows == 0) return false;
  pacer_.Observe(stage, rows, TimeOf([&] { pass_.RunPart(rows); }));
  return true;
}

}  // namespace cooper::torch_model
