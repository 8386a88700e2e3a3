#include "model/torch/transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/pow.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/torch/upload.h"

namespace cooper::torch_model {
Transformer::Transformer(WeightReader& weights,
                         const checkpoint::LlmConfig& llm,
                         const checkpoint::CooperConfig& cooper,
                         const Device& device)
    : device_(device),
      config_(llm),
      hidden_size_(llm.hidden_size),
      shape_{llm.num_attention_heads, llm.num_key_value_heads, llm.head_dim()},
      kernels_(MakeKernels(device)) {
  const std::string base = "language_model.model.";
  const at::Tensor embedding = weights.Take(base + "embed_tokens.weight",
                                            {llm.vocab_size, hidden_size_});
  embedding_ = embedding.to(device.device);
  lm_head_ = Linear(cooper.tie_word_embeddings
                        ? embedding
                        : weights.Take("language_model.lm_head.weight",
                                       {llm.vocab_size, hidden_size_}),
                    at::Tensor(), device);
  const auto norm = [&](const std::string& name) {
    return weights.Take(base + name + ".weight", {hidden_size_})
        .to(device.device, device.dtype);
  };
  final_norm_ = norm("norm");
  final_norm_gen_ = norm("norm_moe_gen");
  // 1 / theta^(2i / dim), step by step in float32 as the reference does.
  const at::Tensor exponent =
      at::arange(0, shape_.dim, 2, at::kLong).to(at::kFloat) /
      static_cast<double>(shape_.dim);
  inverse_frequency_ =
      (1.0 / at::pow(at::Scalar(llm.rope_theta), exponent)).to(device.device);
  for (int i = 0; i < llm.num_hidden_layers; ++i) {
    const std::string prefix = absl::StrCat(base, "layers.", i, ".");
    layers_.push_back(
        {ReadExpert(weights, prefix, "", cooper.qk_norm),
         ReadExpert(weights, prefix, "_moe_gen", cooper.qk_norm)});
  }
}

Expert Transformer::ReadExpert(WeightReader& weights, const std::string& prefix,
                               const std::string& suffix, bool qk_norm) {
  const int64_t hidden = hidden_size_;
  const int64_t middle = config_.intermediate_size;
  const int64_t q = shape_.heads * shape_.dim;
  const int64_t kv = shape_.kv_heads * shape_.dim;
  const auto vector = [&](const std::string& name, int64_t size) {
    return weights.Take(absl::StrCat(prefix, name, suffix, ".weight"), {size})
        .to(device_.device, device_.dtype);
  };
  const auto matrix = [&](const std::string& name, int64_t rows,
                          int64_t columns) {
    return weights.Take(prefix + name + ".weight", {rows, columns});
  };
  Expert expert;
  expert.input_norm = vector("input_layernorm", hidden);
  expert.post_norm = vector("post_attention_layernorm", hidden);
  if (qk_norm) {
    expert.q_norm = vector("self_attn.q_norm", shape_.dim);
    expert.k_norm = vector("self_attn.k_norm", shape_.dim);
  }
  std::vector<at::Tensor> qkv_weights;
  std::vector<at::Tensor> qkv_biases;
  const std::pair<const char*, int64_t> projections[] = {
      {"q", q}, {"k", kv}, {"v", kv}};
  for (const auto& [letter, rows] : projections) {
    const std::string name =
        absl::StrCat("self_attn.", letter, "_proj", suffix);
    qkv_weights.push_back(matrix(name, rows, hidden));
    qkv_biases.push_back(weights.Take(prefix + name + ".bias", {rows}));
  }
  expert.qkv = Linear(at::cat(qkv_weights), at::cat(qkv_biases), device_);
  expert.out =
      Linear(matrix(absl::StrCat("self_attn.o_proj", suffix), hidden, q),
             at::Tensor(), device_);
  const std::string mlp = absl::StrCat("mlp", suffix, ".");
  expert.gate_up = Linear(at::cat({matrix(mlp + "gate_proj", middle, hidden),
                                   matrix(mlp + "up_proj", middle, hidden)}),
                          at::Tensor(), device_);
  expert.down =
      Linear(matrix(mlp + "down_proj", hidden, middle), at::Tensor(), device_);
  return expert;
}

at::Tensor Transformer::Embed(const std::vector<model::TokenId>& ids) const {
  IntegerUpload upload;
  const IntegerUpload::Part part =
      upload.Add(std::vector<int64_t>(ids.begin(), ids.end()));
  upload.Send(device_);
  return at::embedding(embedding_, upload.Get(part)).to(device_.dtype);
}

at::Tensor Transformer::Logits(const at::Tensor& hidden) const {
  return lm_head_(hidden).to(at::kFloat);
}

int64_t Transformer::und_weight_bytes() const {
  int64_t bytes = lm_head_.weight_bytes();
  for (const Layer& layer : layers_) {
    bytes += layer.und.qkv.weight_bytes() + layer.und.out.weight_bytes() +
             layer.und.gate_up.weight_bytes() + layer.und.down.weight_bytes();
  }
  return bytes;
}

int64_t Transformer::weight_bytes() const {
  int64_t bytes =
      und_weight_bytes() + static_cast<int64_t>(embedding_.nbytes());
  for (const Layer& layer : layers_) {
    bytes += layer.gen.qkv.weight_bytes() + layer.gen.out.weight_bytes() +
             layer.gen.gate_up.weight_bytes() + layer.gen.down.weight_bytes();
  }
  return bytes;
}

}  // namespace cooper::torch_model
