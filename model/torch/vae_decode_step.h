#ifndef COOPER_MODEL_TORCH_VAE_DECODE_STEP_H_
#define COOPER_MODEL_TORCH_VAE_DECODE_STEP_H_

#include <cstddef>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/torch/device.h"
#include "model/torch/slice_pacer.h"
#include "model/torch/vision/autoencoder.h"
#include "model/unified_model.h"

namespace cooper::torch_model {

// The latents of denoisers as pictures, one after the other.
class TorchVaeDecodeStep final : public model::Step {
 public:
  // All outlive it.
  TorchVaeDecodeStep(const Autoencoder* autoencoder, PartPacer* pacer,
                     const Device& device,
                     absl::Span<model::VaeDecodeItem> items)
      : autoencoder_(autoencoder),
        pacer_(pacer),
        device_(device),
        items_(items) {}

  absl::StatusOr<bool> RunSlice(absl::Duration budget) override;

 private:
  // What fits of the next item; returns whether it is complete.
  absl::StatusOr<bool> RunItem(model::VaeDecodeItem* item, SliceBudget* slice);

  const Autoencoder* const autoencoder_;
  PartPacer* const pacer_;
  const Device device_;
  const absl::Span<model::VaeDecodeItem> items_;
  size_t next_ = 0;
  std::optional<Autoencoder::Run> run_;  // of the next
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_VAE_DECODE_STEP_H_
