#ifndef COOPER_MODEL_TORCH_VISION_PIXELS_H_
#define COOPER_MODEL_TORCH_VISION_PIXELS_H_

#include <ATen/core/Tensor.h>

#include "model/image/image.h"

namespace cooper::torch_model {

// (x / 255 - 0.5) / 0.5: [3, height, width] float32 in [-1, 1], on the host.
at::Tensor NormalisedPixels(const image::RgbImage& image);

// What the autoencoder decodes ([3, height, width], about -1..1, any device)
// to pixels x * 0.5 + 0.5, clamped to [0, 1].
image::FloatRgbImage ToFloatImage(const at::Tensor& decoded);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_VISION_PIXELS_H_
