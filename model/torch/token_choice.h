#ifndef COOPER_MODEL_TORCH_TOKEN_CHOICE_H_
#define COOPER_MODEL_TORCH_TOKEN_CHOICE_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/unified_model.h"

namespace cooper::torch_model {

// Chooses the next tokens of a decoded batch as SampleToken does. A GPU finds
// the largest logit of greedy rows itself, so that only the logits of sampled
// rows travel to the host.
class TokenChoice {
 public:
  // logits [items, vocabulary] float32 on any device; the items outlive this.
  // Waits for the device, whose faults show here at the latest.
  TokenChoice(const at::Tensor& logits,
              const std::vector<model::DecodeItem*>& items);

  // Sets each item's status and next token.
  void Choose() const;

 private:
  // Where the logits or the result of an item are.
  struct Row {
    model::DecodeItem* item;
    int64_t row;
  };
  void ChooseGreedy() const;
  void ChooseSampled() const;

  const bool on_gpu_;
  std::vector<Row> greedy_, sampled_;
  at::Tensor extremes_;  // [3, greedy rows]: largest, its token, smallest
  at::Tensor logits_;    // [sampled rows, vocabulary] on the host
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_TOKEN_CHOICE_H_
