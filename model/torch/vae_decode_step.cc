#include "model/torch/vae_decode_step.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/isfinite.h>

#include "base/status_macros.h"
#include "model/torch/denoiser.h"
#include "model/torch/guard.h"
#include "model/torch/vision/pixels.h"

namespace cooper::torch_model {

absl::StatusOr<bool> TorchVaeDecodeStep::RunSlice(absl::Duration budget) {
  SliceBudget slice(budget);
  while (next_ < items_.size()) {
    model::VaeDecodeItem& item = items_[next_];
    bool complete = false;
    COOPER_RETURN_IF_ERROR(Guarded(device_, [&]() -> absl::Status {
      COOPER_ASSIGN_OR_RETURN(complete, RunItem(&item, &slice));
      return absl::OkStatus();
    }));
    if (!complete) return false;
    run_.reset();
    ++next_;
  }
  return true;
}

absl::StatusOr<bool> TorchVaeDecodeStep::RunItem(model::VaeDecodeItem* item,
                                                 SliceBudget* slice) {
  if (!run_.has_value()) {
    const auto* denoiser = static_cast<const TorchDenoiser*>(item->denoiser);
    const at::Tensor latents = denoiser->Latents(item->estimate);
    item->status = absl::OkStatus();
    if (!at::isfinite(latents).all().item<bool>()) {
      item->status = absl::InternalError("latents are not finite");
      return true;
    }
    run_ = autoencoder_->StartDecode(
        autoencoder_->Unpatchify(latents, denoiser->h(), denoiser->w()));
  }
  COOPER_ASSIGN_OR_RETURN(const bool decoded,
                          RunParts(&*run_, pacer_, device_, slice));
  if (!decoded) return false;
  item->image = ToFloatImage(run_->Take());
  return true;
}

}  // namespace cooper::torch_model
