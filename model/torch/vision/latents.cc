#include "model/torch/vision/latents.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/sin.h>

#include <cmath>
#include <string>

namespace cooper::torch_model {
namespace {

constexpr int64_t kFrequencies = 128;

}  // namespace

at::Tensor DrawNormals(model::NoiseSource* noise, at::IntArrayRef shape) {
  at::Tensor values = at::empty(shape, at::TensorOptions(at::kFloat));
  noise->FillNormal(absl::MakeSpan(values.data_ptr<float>(), values.numel()));
  return values;
}

LatentEmbedder::LatentEmbedder(WeightReader& weights,
                               const checkpoint::CooperConfig& cooper,
                               int64_t hidden_size, const Device& device)
    : device_(device),
      channels_(int64_t{cooper.latent_patch_size} * cooper.latent_patch_size *
                cooper.ae_z_channels),
      side_(cooper.max_latent_size) {
  using Usual = Linear::UsualRows;
  const auto linear = [&](const std::string& name, int64_t out, int64_t in,
                          Usual rows) {
    return Linear::Read(weights, {{name, out}}, in, /*bias=*/true, rows);
  };
  in_ = linear("vae2llm", hidden_size, channels_, Usual::kMany);
  out_ = linear("llm2vae", channels_, hidden_size, Usual::kMany);
  time1_ =
      linear("time_embedder.mlp.0", hidden_size, 2 * kFrequencies, Usual::kFew);
  time2_ = linear("time_embedder.mlp.2", hidden_size, hidden_size, Usual::kFew);
  pos_embed_ =
      weights.Take("latent_pos_embed.pos_embed", {side_ * side_, hidden_size});
}

at::Tensor LatentEmbedder::TimeFeatures(const at::Tensor& t) {
  const at::Tensor frequencies = at::exp(at::arange(kFrequencies, t.options()) *
                                         (-std::log(10000.0) / kFrequencies));
  const at::Tensor angles = t.unsqueeze(1) * frequencies.unsqueeze(0);
  return at::cat({angles.cos(), angles.sin()}, 1);
}

at::Tensor LatentEmbedder::EmbedTime(const at::Tensor& features) const {
  return time2_(at::silu(time1_(features.to(device_.device, device_.dtype))));
}

at::Tensor LatentEmbedder::Embed(const at::Tensor& x, float t, int64_t h,
                                 int64_t w) const {
  const at::Tensor time = EmbedTime(TimeFeatures(
      at::full({1}, t, at::TensorOptions(at::kFloat).device(device_.device))));
  const at::Tensor positions = pos_embed_.view({side_, side_, -1})
                                   .narrow(0, 0, h)
                                   .narrow(1, 0, w)
                                   .reshape({h * w, -1});
  return in_(x.to(device_.device, device_.dtype)) + time + positions;
}

at::Tensor LatentEmbedder::Velocity(const at::Tensor& hidden) const {
  return out_(hidden).to(at::kFloat);
}

}  // namespace cooper::torch_model
