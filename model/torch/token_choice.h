#ifndef COOPER_MODEL_TORCH_TOKEN_CHOICE_H_
#define COOPER_MODEL_TORCH_TOKEN_CHOICE_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/torch/device.h"
#include "model/unified_model.h"

namespace cooper::torch_model {

// Chooses the next tokens of a decoded batch as SampleToken does: with our own
// kernels on the GPU, so that four bytes a token travel to the host, else on
// the host.
class TokenChoice {
 public:
  // logits [items, vocabulary] float32 on any device; the items outlive this.
  // Waits for the device, whose faults show here at the latest.
  TokenChoice(const Device& device, const at::Tensor& logits,
              const std::vector<model::DecodeItem*>& items);

  // Sets each item's status and next token.
  void Choose() const;

 private:
  void ChooseOnHost() const;

  const std::vector<model::DecodeItem*>& items_;
  at::Tensor tokens_;  // [items] int32 on the host; undefined: of logits_
  at::Tensor logits_;  // on the host
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_TOKEN_CHOICE_H_
