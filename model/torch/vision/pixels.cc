#include "model/torch/vision/pixels.h"

#include <ATen/ops/from_blob.h>

#include <cstring>

#include "model/torch/upload.h"

namespace cooper::torch_model {

at::Tensor NormalisedPixels(const image::RgbImage& image) {
  // from_blob only reads, but has no const form.
  const at::Tensor bytes = at::from_blob(
      const_cast<uint8_t*>(image.pixels.data()),
      {image.size.height, image.size.width, 3}, at::TensorOptions(at::kByte));
  return bytes.permute({2, 0, 1})
      .to(at::kFloat)
      .div_(255.0)
      .sub_(0.5)
      .div_(0.5)
      .contiguous();
}

image::FloatRgbImage ToFloatImage(const at::Tensor& decoded) {
  const at::Tensor pixels = Download(decoded.to(at::kFloat))
                                .mul(0.5)
                                .add_(0.5)
                                .clamp_(0.0, 1.0)
                                .permute({1, 2, 0})
                                .contiguous();
  image::FloatRgbImage image;
  image.size = {static_cast<int>(pixels.size(1)),
                static_cast<int>(pixels.size(0))};
  image.pixels.resize(pixels.numel());
  std::memcpy(image.pixels.data(), pixels.const_data_ptr<float>(),
              image.pixels.size() * sizeof(float));
  return image;
}

}  // namespace cooper::torch_model
