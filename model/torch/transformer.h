#ifndef COOPER_MODEL_TORCH_TRANSFORMER_H_
#define COOPER_MODEL_TORCH_TRANSFORMER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "model/checkpoint/config.h"
#include "model/torch/kernels.h"
#include "model/torch/linear.h"
#include "model/torch/recorder.h"
#include "model/torch/weights.h"

// The mixture-of-transformers language model (model-spec section 2): every
// token goes through the understanding or the generation weights by its kind;
// all attend over one KV cache.

namespace cooper::torch_model {

class Transformer {
 public:
  Transformer(WeightReader& weights, const checkpoint::LlmConfig& llm,
              const checkpoint::CooperConfig& cooper, const Device& device);

  // ids [n] -> [n, hidden]; ids must be below vocab_size.
  at::Tensor Embed(const std::vector<model::TokenId>& ids) const;
  // ids: int64 on the device.
  at::Tensor Embed(const at::Tensor& ids) const;
  // hidden [n, hidden], after the final norm -> logits [n, vocab], float32.
  at::Tensor Logits(const at::Tensor& hidden) const;

  int layers() const { return static_cast<int>(layers_.size()); }
  // Whether a row's result is the same, to the bit, for any number of rows that
  // go with it.
  bool exact_by_row() const { return lm_head_.packed() != nullptr; }
  int64_t hidden_size() const { return hidden_size_; }
  // Bytes of weights that one text token reads.
  int64_t und_weight_bytes() const;
  // Bytes of all weights.
  int64_t weight_bytes() const;
  // See TorchModel.
  void set_recorder(Recorder* recorder) { recorder_ = recorder; }

 private:
  friend class Pass;

  struct Layer {
    Expert und, gen;
  };
  Expert ReadExpert(WeightReader& weights, const std::string& prefix,
                    const std::string& suffix, bool qk_norm);

  const Device device_;
  const checkpoint::LlmConfig config_;
  const int64_t hidden_size_;
  const HeadShape shape_;
  at::Tensor embedding_;  // [vocab, hidden], as TakeMatrix gives it
  Linear lm_head_;
  at::Tensor final_norm_, final_norm_gen_;
  at::Tensor inverse_frequency_;  // [dim / 2] float32
  std::vector<Layer> layers_;
  std::unique_ptr<Kernels> kernels_;
  Recorder* recorder_ = nullptr;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_TRANSFORMER_H_
