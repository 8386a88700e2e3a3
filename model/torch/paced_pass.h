#ifndef COOPER_MODEL_TORCH_PACED_PASS_H_
#define COOPER_MODEL_TORCH_PACED_PASS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/torch/device.h"
#include "model/torch/pass.h"
#include "model/torch/slice_pacer.h"
#include "model/torch/transformer.h"

namespace cooper::torch_model {

// A pass that is run slice by slice: by as many rows as fit where that gives
// the same bits, else by whole layers.
class PacedPass {
 public:
  PacedPass(const Transformer* transformer, const Device& device,
            PassInput input)
      : transformer_(transformer),
        device_(device),
        pass_(transformer, std::move(input)) {}

  // As much as fits into the slice; at least one part if it must. INTERNAL:
  // the device failed.
  absl::Status Run(SliceBudget* slice);

  Pass& pass() { return pass_; }
  bool done() const { return pass_.done(); }

 private:
  // Returns whether it did.
  absl::StatusOr<bool> RunPart(const SliceBudget& slice);

  const Transformer* const transformer_;
  const Device device_;
  Pass pass_;
  SlicePacer pacer_;
  absl::Duration layer_time_ = absl::ZeroDuration();  // of the last layer
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_PACED_PASS_H_
