#ifndef COOPER_MODEL_IMAGE_RESIZE_H_
#define COOPER_MODEL_IMAGE_RESIZE_H_

#include "model/image/image.h"
#include "model/options.h"

namespace cooper::image {

// The size that `rule` gives an image of `size` (model-spec section 4): long
// edge <= max, short edge >= min unless that breaks the former, multiples of
// the stride, Python's half-to-even rounding. `size` must be positive; any
// size up to 2^31-1 is computed without overflow.
Size ResizedSize(Size size, const model::ImageRule& rule);

// Pillow's antialiased bicubic (a = -0.5) on 8 bits, bit for bit (Pillow < 12):
// columns first, then rows, a pass is skipped where its size does not change,
// clamped to [0, 255] after each.
RgbImage Resize(const RgbImage& image, Size size);

// Resize(image, ResizedSize(image.size, rule)).
RgbImage ApplyRule(const RgbImage& image, const model::ImageRule& rule);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_RESIZE_H_
