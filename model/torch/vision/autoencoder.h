#ifndef COOPER_MODEL_TORCH_VISION_AUTOENCODER_H_
#define COOPER_MODEL_TORCH_VISION_AUTOENCODER_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint/config.h"
#include "model/torch/device.h"
#include "model/torch/group_norm.h"
#include "model/torch/weights.h"

namespace cooper::torch_model {

// FLUX's autoencoder (model-spec section 2): pixels <-> latents.
class Autoencoder {
 private:
  // What goes from one part of a half to the next.
  struct State {
    at::Tensor x;  // [1, channels, H, W]
    Unbiased h;    // within a block: what is added to x
  };
  using Part = std::function<void(State*)>;

 public:
  Autoencoder(WeightReader& weights, const checkpoint::CooperConfig& config,
              const Device& device);
  Autoencoder(const Autoencoder&) = delete;
  Autoencoder& operator=(const Autoencoder&) = delete;

  // One image on its way through the encoder or the decoder, part by part: a
  // part is about a convolution.
  class Run {
   public:
    size_t next() const { return next_; }
    bool done() const { return next_ == parts_->size(); }
    // What a part's time is about in proportion to: positions of the input.
    int64_t size() const { return size_; }
    void RunPart() { (*parts_)[next_++](&state_); }
    // Once it is done: what Moments or Decode give.
    at::Tensor Take() { return std::move(state_.x); }

   private:
    friend class Autoencoder;
    Run(const std::vector<Part>* parts, at::Tensor x)
        : parts_(parts),
          size_(x.size(2) * x.size(3)),
          state_{std::move(x), {}} {}

    const std::vector<Part>* parts_;
    int64_t size_;
    State state_;
    size_t next_ = 0;
  };
  Run StartMoments(const at::Tensor& pixels) const;
  Run StartDecode(const at::Tensor& latent) const;

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
  // Pixels of a token of latents, both ways.
  int64_t token_stride() const { return stride_ * patch_; }
  int64_t weight_bytes() const { return weight_bytes_; }

 private:
  struct Conv {
    at::Tensor weight, bias;
  };
  struct GroupNormWeights {
    at::Tensor weight, bias;
  };
  struct ResBlock {
    GroupNormWeights norm1, norm2;
    Conv conv1, conv2;
    Conv shortcut;  // undefined where the channels stay
  };
  struct AttentionBlock {
    GroupNormWeights norm;
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
    GroupNormWeights norm_out;
  };

  Conv ReadConv(const std::string& name, int64_t out, int64_t in,
                int64_t kernel);
  GroupNormWeights ReadNorm(const std::string& name, int64_t channels);
  ResBlock ReadBlock(const std::string& name, int64_t in, int64_t out);
  Middle ReadMiddle(const std::string& name, int64_t channels);
  void ReadEncoder(const checkpoint::CooperConfig& config);
  void ReadDecoder(const checkpoint::CooperConfig& config);

  // The parts of a half, in running order; they point into it.
  void AddBlock(const ResBlock& block, std::vector<Part>* parts);
  void AddMiddle(const Middle& middle, std::vector<Part>* parts);
  void AddEnd(const Half& half, std::vector<Part>* parts);
  std::vector<Part> EncoderParts(const Half& half);
  std::vector<Part> DecoderParts(const Half& half);
  Unbiased UnbiasedConv(const at::Tensor& x, const Conv& conv) const;
  at::Tensor NormOf(const GroupNormWeights& norm, const Unbiased& x,
                    bool silu) const;
  at::Tensor Attend(const AttentionBlock& block, const at::Tensor& x) const;
  static at::Tensor RunAll(Run run);

  WeightReader* weights_;  // during construction only
  const Device device_;
  const int64_t z_;
  const int64_t stride_;
  const int64_t patch_;
  const double scale_, shift_;
  int64_t weight_bytes_ = 0;
  Half encoder_, decoder_;
  std::vector<Part> encoder_parts_, decoder_parts_;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_VISION_AUTOENCODER_H_
