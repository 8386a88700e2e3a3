#ifndef COOPER_MODEL_TORCH_TRANSFORMER_H_
#define COOPER_MODEL_TORCH_TRANSFORMER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "model/checkpoint/config.h"
#include "model/torch/kernels.h"
#include "model/torch/linear.h"
#include "model/torch/weights.h"

// The mixture-of-transformers language model (model-spec section 2): every
// token goes through the understanding or the generation weights by its kind;
// all attend over one KV cache.

namespace cooper::torch_model {

// A pass over the layers, ragged: the rows of all segments of a batch, kept
// apart by kind so that each weight matrix is read once for all its rows.
struct PassInput {
  Rows hidden;                         // embeddings
  std::vector<int64_t> und_positions;  // rope positions by row
  std::vector<int64_t> gen_positions;
  std::vector<Segment> segments;
  // Outputs that are wanted; work that only serves the others is left out in
  // the last layer.
  bool need_und = true;
  bool need_gen = true;
  // Norms and rope of q and k in float32 also under bf16 (model-spec
  // section 2: sequences with latents).
  bool wide = false;
};

class Transformer {
 public:
  Transformer(WeightReader& weights, const checkpoint::LlmConfig& llm,
              const checkpoint::CooperConfig& cooper, const Device& device);

  // ids [n] -> [n, hidden]; ids must be below vocab_size.
  at::Tensor Embed(const std::vector<model::TokenId>& ids) const;
  // hidden [n, hidden], after the final norm -> logits [n, vocab], float32.
  at::Tensor Logits(const at::Tensor& hidden) const;

  int layers() const { return static_cast<int>(layers_.size()); }
  const HeadShape& head_shape() const { return shape_; }
  int64_t hidden_size() const { return hidden_size_; }
  // Bytes of weights that one text token reads.
  int64_t und_weight_bytes() const;
  // Bytes of all weights.
  int64_t weight_bytes() const;

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
  at::Tensor embedding_;  // [vocab, hidden], as stored, on the device
  Linear lm_head_;
  at::Tensor final_norm_, final_norm_gen_;
  at::Tensor inverse_frequency_;  // [dim / 2] float32
  std::vector<Layer> layers_;
  std::unique_ptr<Kernels> kernels_;
};

// One pass under way. Contexts must have room reserved for segments that
// write; the caller commits them when the pass is complete.
class Pass {
 public:
  Pass(const Transformer* transformer, PassInput input);

  int next_layer() const { return layer_; }
  bool done() const { return layer_ == transformer_->layers(); }
  void RunLayer();
  void RunAll();

  // Takes out the segments that `drop` marks (by index) and their rows.
  void Drop(const std::vector<bool>& drop);

  // After the last layer: hidden states after the final norm. Rows of a kind
  // that was not asked for are undefined.
  Rows Finish();

  const std::vector<Segment>& segments() const { return input_.segments; }
  // What goes into the next layer, without the last MLP (delta).
  const Rows& hidden() const { return input_.hidden; }

 private:
  void SetPositions();
  at::Tensor Mlp(const Expert& expert, at::Tensor& x,
                 const at::Tensor& attention) const;

  const Transformer* transformer_;
  PassInput input_;
  Rows delta_;  // of the last MLP, not yet added to hidden
  at::Tensor und_cos_, und_sin_, gen_cos_, gen_sin_;  // [rows, dim / 2]
  bool only_decodes_ = false;  // rows are next tokens of different contexts
  int layer_ = 0;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_TRANSFORMER_H_
