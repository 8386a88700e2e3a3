#include "model/torch/transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/pow.h>

#include <string>

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
  embedding_ = weights.TakeMatrix(
      {{base + "embed_tokens.weight", llm.vocab_size}}, hidden_size_);
  lm_head_ =
      cooper.tie_word_embeddings
          ? Linear(embedding_, at::Tensor(), device)
          : Linear::Read(weights, {{"language_model.lm_head", llm.vocab_size}},
                         hidden_size_, /*bias=*/false);
  const auto norm = [&](const std::string& name) {
    return weights.Take(base + name + ".weight", {hidden_size_});
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
    return weights.Take(absl::StrCat(prefix, name, suffix, ".weight"), {size});
  };
  const std::string attention = prefix + "self_attn.";
  const std::string mlp = absl::StrCat(prefix, "mlp", suffix, ".");
  const Linear::UsualRows rows =
      suffix.empty() ? Linear::UsualRows::kFew : Linear::UsualRows::kMany;
  Expert expert;
  expert.input_norm = vector("input_layernorm", hidden);
  expert.post_norm = vector("post_attention_layernorm", hidden);
  if (qk_norm) {
    expert.q_norm = vector("self_attn.q_norm", shape_.dim);
    expert.k_norm = vector("self_attn.k_norm", shape_.dim);
  }
  expert.qkv = Linear::Read(weights,
                            {{attention + "q_proj" + suffix, q},
                             {attention + "k_proj" + suffix, kv},
                             {attention + "v_proj" + suffix, kv}},
                            hidden, /*bias=*/true, rows);
  expert.out = Linear::Read(weights, {{attention + "o_proj" + suffix, hidden}},
                            q, /*bias=*/false, rows);
  expert.gate_up = Linear::Read(
      weights, {{mlp + "gate_proj", middle}, {mlp + "up_proj", middle}}, hidden,
      /*bias=*/false, rows);
  expert.down = Linear::Read(weights, {{mlp + "down_proj", hidden}}, middle,
                             /*bias=*/false, rows);
  return expert;
}

at::Tensor Transformer::Embed(const std::vector<model::TokenId>& ids) const {
  IntegerUpload upload;
  const IntegerUpload::Part part =
      upload.Add(std::vector<int64_t>(ids.begin(), ids.end()));
  upload.Send(device_);
  return Embed(upload.Get(part));
}

at::Tensor Transformer::Embed(const at::Tensor& ids) const {
  return at::embedding(embedding_, ids).to(device_.dtype);
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
