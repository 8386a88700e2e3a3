#ifndef COOPER_MODEL_IMAGE_IMAGE_H_
#define COOPER_MODEL_IMAGE_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cooper::image {

struct Size {
  int width = 0;   // px
  int height = 0;  // px
  friend bool operator==(const Size&, const Size&) = default;
};

// Of an RgbImage of `size`.
inline int64_t RasterBytes(Size size) {
  return int64_t{3} * size.width * size.height;
}

// Pixels, row by row from the top left, R G B, 8 bits each, no padding.
struct RgbImage {
  Size size;
  std::vector<uint8_t> pixels;  // [height, width, 3]
};

// What the autoencoder decodes: R G B in [0, 1], clamped.
struct FloatRgbImage {
  Size size;
  std::vector<float> pixels;  // [height, width, 3]
};

// One value a pixel. For depth: [0, 1], 0 near .. 1 far, relative.
struct FloatGreyImage {
  Size size;
  std::vector<float> pixels;  // [height, width]
};

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_IMAGE_H_
