#ifndef COOPER_MODEL_TORCH_VISION_LATENTS_H_
#define COOPER_MODEL_TORCH_VISION_LATENTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/checkpoint/config.h"
#include "model/noise.h"
#include "model/torch/linear.h"
#include "model/torch/weights.h"

namespace cooper::torch_model {

// `shape` normals in host memory, float32.
at::Tensor DrawNormals(model::NoiseSource* noise, at::IntArrayRef shape);

// Latent tokens into and out of the language model's width (model-spec
// section 3): vae2llm(x) + time_embedder(t) + latent_pos_embed[row*side+col].
class LatentEmbedder {
 public:
  LatentEmbedder(WeightReader& weights, const checkpoint::CooperConfig& cooper,
                 int64_t hidden_size, const Device& device);

  // x [h * w, channels] at time t -> [h * w, hidden].
  at::Tensor Embed(const at::Tensor& x, float t, int64_t h, int64_t w) const;
  // Final hidden states [n, hidden] -> velocities [n, channels] float32.
  at::Tensor Velocity(const at::Tensor& hidden) const;

  // t [n] -> [n, 256], [cos | sin] of t * 10000^(-i / 128), float32.
  static at::Tensor TimeFeatures(const at::Tensor& t);
  // Time features -> [n, hidden].
  at::Tensor EmbedTime(const at::Tensor& features) const;

  int64_t channels() const { return channels_; }
  int64_t side() const { return side_; }

 private:
  const Device device_;
  const int64_t channels_;  // patch * patch * z
  const int64_t side_;
  Linear in_, out_, time1_, time2_;
  at::Tensor pos_embed_;  // [side^2, hidden]
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_VISION_LATENTS_H_
