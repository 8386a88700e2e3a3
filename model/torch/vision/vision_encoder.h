#ifndef COOPER_MODEL_TORCH_VISION_VISION_ENCODER_H_
#define COOPER_MODEL_TORCH_VISION_VISION_ENCODER_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/checkpoint/config.h"
#include "model/image/image.h"
#include "model/torch/attention.h"
#include "model/torch/linear.h"
#include "model/torch/recorder.h"
#include "model/torch/weights.h"

namespace cooper::torch_model {

// SigLIP's encoder without its last layer, the connector into the language
// model's width, and the second position table (model-spec section 2).
class VisionEncoder {
 public:
  VisionEncoder(WeightReader& weights, const checkpoint::VitConfig& vit,
                const checkpoint::CooperConfig& cooper, int64_t hidden_size,
                const Device& device);

  // Several images on their way through the encoder, part by part: the
  // embeddings, the layers, the connector. Sides are multiples of the patch and
  // at most the tables' side of patches.
  class Run {
   public:
    size_t next() const { return next_; }
    bool done() const { return next_ == encoder_->layers_.size() + 2; }
    // Patches of all images: what a part's time is about in proportion to.
    int64_t size() const { return static_cast<int64_t>(positions_.size()); }
    void RunPart();
    // Takes an image out; at any point.
    void Drop(const image::RgbImage* image);
    // Once it is done: features of an image, [n, hidden].
    at::Tensor FeaturesOf(const image::RgbImage* image) const;

   private:
    friend class VisionEncoder;
    Run(const VisionEncoder* encoder,
        std::vector<const image::RgbImage*> images);
    // Puts the rows' positions and lengths on the device.
    void Place();
    // Where the image and its rows begin: index, row.
    std::pair<size_t, int64_t> PlaceOf(const image::RgbImage* image) const;

    const VisionEncoder* encoder_;
    std::vector<const image::RgbImage*> images_;
    std::vector<int64_t> lengths_;    // rows by image
    std::vector<int64_t> positions_;  // by row
    at::Tensor ids_;                  // the same on the device
    SequenceLengths sequences_;       // the images
    at::Tensor x_;                    // [rows, ...]
    size_t next_ = 0;
  };
  // No two of the images are the same.
  Run Start(std::vector<const image::RgbImage*> images) const;
  // Features of several images, one after the other: [sum of n, hidden].
  at::Tensor Encode(std::vector<const image::RgbImage*> images) const;

  int64_t patches(image::Size size) const {
    return int64_t{size.width / patch_} * (size.height / patch_);
  }
  int64_t weight_bytes() const;
  // See TorchModel.
  void set_recorder(Recorder* recorder) { recorder_ = recorder; }

 private:
  struct Layer {
    at::Tensor norm1_weight, norm1_bias, norm2_weight, norm2_bias;
    Linear qkv, out, fc1, fc2;
  };
  at::Tensor Patches(const image::RgbImage& image) const;
  std::vector<int64_t> Positions(image::Size size) const;
  // Between `images` there is no attention.
  at::Tensor RunLayer(const Layer& layer, const at::Tensor& x,
                      const SequenceLengths& images) const;
  at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight,
                  const at::Tensor& bias) const;
  at::Tensor Connect(const at::Tensor& x) const;
  void Record(absl::string_view stage, const at::Tensor& rows) const;

  const Device device_;
  const int patch_;
  const int heads_;
  const int table_side_;
  const double eps_;
  Linear patch_embedding_;
  at::Tensor position_embedding_;  // [(image_size / patch)^2, width]
  at::Tensor pos_embed_;           // [table_side^2, hidden]
  std::vector<Layer> layers_;
  at::Tensor post_weight_, post_bias_;
  Linear fc1_, fc2_;
  Recorder* recorder_ = nullptr;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_VISION_VISION_ENCODER_H_
