#include "model/torch/latents_step.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/isfinite.h>

#include "model/torch/flow.h"
#include "model/torch/guard.h"
#include "model/torch/pixels.h"

namespace cooper::torch_model {
namespace {

// A status that belongs to an item rather than to the device.
bool IsItemError(const absl::Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted ||
         status.code() == absl::StatusCode::kInvalidArgument;
}

}  // namespace

absl::StatusOr<bool> TorchLatentsStep::RunSlice(absl::Duration budget) {
  SliceBudget slice(budget);
  while (next_ < items_.size()) {
    model::DecodeLatentsItem& item = items_[next_];
    bool complete = true;
    absl::Status status = Guarded([&] {
      complete = RunItem(&item, &slice);
      return absl::OkStatus();
    });
    if (IsItemError(status)) {
      item.status = status;
    } else if (!status.ok()) {
      return status;
    }
    if (!complete) return false;
    run_.reset();
    ++next_;
  }
  return true;
}

bool TorchLatentsStep::RunItem(model::DecodeLatentsItem* item,
                               SliceBudget* slice) {
  if (!run_.has_value()) {
    const auto* flow = static_cast<const TorchFlow*>(item->flow);
    const at::Tensor latents = flow->Latents(item->estimate);
    item->status = absl::OkStatus();
    if (!at::isfinite(latents).all().item<bool>()) {
      item->status = absl::InternalError("latents are not finite");
      return true;
    }
    run_ = autoencoder_->StartDecode(
        autoencoder_->Unpatchify(latents, flow->h(), flow->w()));
  }
  if (!RunParts(&*run_, pacer_, device_, slice)) return false;
  item->image = ToFloatImage(run_->Take());
  return true;
}

}  // namespace cooper::torch_model
