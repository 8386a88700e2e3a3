#ifndef COOPER_MODEL_TORCH_RECORDER_H_
#define COOPER_MODEL_TORCH_RECORDER_H_

#include <ATen/core/Tensor.h>

#include "absl/strings/string_view.h"
#include "model/torch/pass_plan.h"

namespace cooper::torch_model {

// Receives tensors on their way through the network, for checks against the
// reference (TorchModel::set_recorder). Later work may overwrite them.
class Recorder {
 public:
  virtual ~Recorder() = default;
  // A pass over the layers begins with these embeddings.
  virtual void OnPassInput(const PassLayout& layout, const Rows& embeddings) {}
  // It is complete: its rows after the final norm. Under a recorder every pass
  // computes all of them.
  virtual void OnPassOutput(const Rows& hidden) {}
  // A stage of the vision encoder is complete; `rows` are the patches of all
  // images: [patches, ...].
  virtual void OnVisionStage(absl::string_view stage, const at::Tensor& rows) {}
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_RECORDER_H_
