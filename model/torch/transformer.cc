#include "model/torch/transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"

namespace cooper::torch_model {
namespace {

// The MLP's middle is several times as wide as the hidden state: long passes go
// through it in blocks of rows, so that the workspace stays bounded.
constexpr int64_t kMlpRows = 2048;

at::Tensor IdTensor(const std::vector<int64_t>& values, const Device& device) {
  return at::tensor(values, at::kLong).to(device.device);
}

// Whether the rows are the next tokens of different contexts.
bool OnlyDecodes(const PassInput& input) {
  if (input.hidden.gen.size(0) > 0 || !input.need_und) return false;
  std::set<const PagedContext*> contexts;
  return std::all_of(input.segments.begin(), input.segments.end(),
                     [&](const Segment& segment) {
                       return segment.write && segment.und_count == 1 &&
                              contexts.insert(segment.context).second;
                     });
}

}  // namespace

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
  const std::vector<int64_t> wide(ids.begin(), ids.end());
  return at::embedding(embedding_, IdTensor(wide, device_)).to(device_.dtype);
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

Pass::Pass(const Transformer* transformer, PassInput input)
    : transformer_(transformer), input_(std::move(input)) {
  only_decodes_ = OnlyDecodes(input_);
  SetPositions();
}

void Pass::SetPositions() {
  const auto angles = [&](const std::vector<int64_t>& positions) {
    return at::outer(IdTensor(positions, transformer_->device_).to(at::kFloat),
                     transformer_->inverse_frequency_);
  };
  const at::Tensor und = angles(input_.und_positions);
  und_cos_ = und.cos();
  und_sin_ = und.sin();
  const at::Tensor gen = angles(input_.gen_positions);
  gen_cos_ = gen.cos();
  gen_sin_ = gen.sin();
}

void Pass::RunLayer() {
  COOPER_CHECK(!done());
  const Transformer& t = *transformer_;
  const Transformer::Layer& layer = t.layers_[layer_];
  const double eps = t.config_.rms_norm_eps;
  const bool last = layer_ + 1 == t.layers();
  if (only_decodes_ &&
      t.kernels_->DecodeLayer(layer_, t.shape_, layer.und, input_.segments,
                              und_cos_, und_sin_, eps, input_.hidden.und,
                              delta_.und)) {
    ++layer_;
    return;
  }
  const bool und = input_.hidden.und.size(0) > 0;
  const bool gen = input_.hidden.gen.size(0) > 0;
  const auto project = [&](bool present, const Expert& expert, at::Tensor& x,
                           const at::Tensor& delta, const at::Tensor& cos,
                           const at::Tensor& sin) {
    if (!present) return expert.qkv(x);
    const at::Tensor normed =
        delta.defined() ? t.kernels_->AddNorm(x, delta, expert.input_norm, eps)
                        : t.kernels_->Norm(x, expert.input_norm, eps);
    at::Tensor qkv = expert.qkv(normed);
    t.kernels_->NormRope(qkv, t.shape_, expert.q_norm, expert.k_norm, cos, sin,
                         eps, input_.wide);
    return qkv;
  };
  Rows qkv;
  qkv.und = project(und, layer.und, input_.hidden.und, delta_.und, und_cos_,
                    und_sin_);
  qkv.gen = project(gen, layer.gen, input_.hidden.gen, delta_.gen, gen_cos_,
                    gen_sin_);
  t.kernels_->WriteCache(layer_, t.shape_, input_.segments, qkv);
  const int index = layer_++;
  // The last layer of a pass that only fills the cache ends here.
  if (last && !input_.need_und && !input_.need_gen) return;
  const Rows attention =
      t.kernels_->Attend(index, t.shape_, input_.segments, qkv);
  if (und && (!last || input_.need_und)) {
    delta_.und = Mlp(layer.und, input_.hidden.und, attention.und);
  }
  if (gen && (!last || input_.need_gen)) {
    delta_.gen = Mlp(layer.gen, input_.hidden.gen, attention.gen);
  }
}

at::Tensor Pass::Mlp(const Expert& expert, at::Tensor& x,
                     const at::Tensor& attention) const {
  Kernels& kernels = *transformer_->kernels_;
  const at::Tensor normed =
      kernels.AddNorm(x, expert.out(attention), expert.post_norm,
                      transformer_->config_.rms_norm_eps);
  const int64_t rows = normed.size(0);
  if (rows <= kMlpRows) {
    return expert.down(kernels.SiluMul(expert.gate_up(normed)));
  }
  at::Tensor out = at::empty_like(normed);
  for (int64_t begin = 0; begin < rows; begin += kMlpRows) {
    const int64_t count = std::min(kMlpRows, rows - begin);
    out.narrow(0, begin, count)
        .copy_(expert.down(
            kernels.SiluMul(expert.gate_up(normed.narrow(0, begin, count)))));
  }
  return out;
}

void Pass::RunAll() {
  while (!done()) RunLayer();
}

void Pass::Drop(const std::vector<bool>& drop) {
  std::vector<Segment> segments;
  std::vector<int64_t> und_rows;
  std::vector<int64_t> gen_rows;
  std::vector<int64_t> und_positions;
  std::vector<int64_t> gen_positions;
  for (size_t i = 0; i < input_.segments.size(); ++i) {
    if (drop[i]) continue;
    Segment segment = input_.segments[i];
    const int64_t und_begin = static_cast<int64_t>(und_rows.size());
    const int64_t gen_begin = static_cast<int64_t>(gen_rows.size());
    for (int64_t row = 0; row < segment.und_count; ++row) {
      und_rows.push_back(segment.und_begin + row);
      und_positions.push_back(input_.und_positions[segment.und_begin + row]);
    }
    for (int64_t row = 0; row < segment.gen_count; ++row) {
      gen_rows.push_back(segment.gen_begin + row);
      gen_positions.push_back(input_.gen_positions[segment.gen_begin + row]);
    }
    segment.und_begin = und_begin;
    segment.gen_begin = gen_begin;
    segments.push_back(segment);
  }
  const Device& device = transformer_->device_;
  const auto keep = [&](at::Tensor& rows, const std::vector<int64_t>& kept) {
    if (rows.defined()) rows = rows.index_select(0, IdTensor(kept, device));
  };
  keep(input_.hidden.und, und_rows);
  keep(delta_.und, und_rows);
  keep(input_.hidden.gen, gen_rows);
  keep(delta_.gen, gen_rows);
  input_.segments = std::move(segments);
  input_.und_positions = std::move(und_positions);
  input_.gen_positions = std::move(gen_positions);
  SetPositions();
}

Rows Pass::Finish() {
  COOPER_CHECK(done());
  const Transformer& t = *transformer_;
  const double eps = t.config_.rms_norm_eps;
  const auto finish = [&](bool needed, at::Tensor& x, const at::Tensor& delta,
                          const at::Tensor& weight) {
    if (!needed) return at::Tensor();
    if (x.size(0) == 0 || !delta.defined()) return x;
    return t.kernels_->AddNorm(x, delta, weight, eps);
  };
  Rows out;
  out.und =
      finish(input_.need_und, input_.hidden.und, delta_.und, t.final_norm_);
  out.gen =
      finish(input_.need_gen, input_.hidden.gen, delta_.gen, t.final_norm_gen_);
  return out;
}

}  // namespace cooper::torch_model
