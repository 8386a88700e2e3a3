#ifndef COOPER_MODEL_TORCH_AUTOENCODER_H_
#define COOPER_MODEL_TORCH_AUTOENCODER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/checkpoint/config.h"
#include "model/torch/device.h"
#include "model/torch/weights.h"

namespace cooper::torch_model {

// FLUX's autoencoder (model-spec section 2): pixels <-> latents.
class Autoencoder {
 public:
  Autoencoder(WeightReader& weights, const checkpoint::CooperConfig& config,
              const Device& device);

  // pixels [3, H, W] in -1..1 -> mean and log-variance [2z, H/8, W/8].
  at::Tensor Moments(const at::Tensor& pixels) const;
  // (mean + exp(logvar / 2) * noise - shift) * scale; noise [z, h, w].
  at::Tensor Sample(const at::Tensor& moments, const at::Tensor& noise) const;
  // latent [z, h, w] -> pixels [3, H, W], about -1..1.
  at::Tensor Decode(const at::Tensor& latent) const;

  // Latent [z, 2h, 2w] <-> tokens [h * w, 4z], each (row, column, channel).
  at::Tensor Patchify(const at::Tensor& latent) const;
  at::Tensor Unpatchify(const at::Tensor& tokens, int64_t h, int64_t w) const;

  int64_t z_channels() const { return z_; }
  int64_t weight_bytes() const { return weight_bytes_; }

 private:
  struct Conv {
    at::Tensor weight, bias;
  };
  struct GroupNorm {
    at::Tensor weight, bias;
  };
  struct ResBlock {
    GroupNorm norm1, norm2;
    Conv conv1, conv2;
    Conv shortcut;  // undefined where the channels stay
  };
  struct AttentionBlock {
    GroupNorm norm;
    Conv q, k, v, out;
  };
  struct Middle {
    ResBlock block1, block2;
    AttentionBlock attention;
  };
  struct Level {
    std::vector<ResBlock> blocks;
    Conv resample;  // undefined at the level without one
  };
  struct Half {
    Conv in, out;
    std::vector<Level> levels;  // in running order
    Middle middle;
    GroupNorm norm_out;
  };

  Conv ReadConv(const std::string& name, int64_t out, int64_t in,
                int64_t kernel);
  GroupNorm ReadNorm(const std::string& name, int64_t channels);
  ResBlock ReadBlock(const std::string& name, int64_t in, int64_t out);
  Middle ReadMiddle(const std::string& name, int64_t channels);
  void ReadEncoder(const checkpoint::CooperConfig& config);
  void ReadDecoder(const checkpoint::CooperConfig& config);

  at::Tensor Run(const ResBlock& block, const at::Tensor& x) const;
  at::Tensor Run(const AttentionBlock& block, const at::Tensor& x) const;
  at::Tensor Run(const Middle& middle, const at::Tensor& x) const;
  at::Tensor Finish(const Half& half, const at::Tensor& x) const;

  WeightReader* weights_;  // during construction only
  const Device device_;
  const int64_t z_;
  const int64_t patch_;
  const double scale_, shift_;
  int64_t weight_bytes_ = 0;
  Half encoder_, decoder_;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_AUTOENCODER_H_
