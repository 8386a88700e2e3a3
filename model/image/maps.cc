#include "model/image/maps.h"

#include <algorithm>
#include <cstddef>

namespace cooper::image {

FloatGreyImage DepthOf(const FloatRgbImage& decoded) {
  FloatGreyImage depth;
  depth.size = decoded.size;
  depth.pixels.resize(decoded.pixels.size() / 3);
  const float* in = decoded.pixels.data();
  for (float& value : depth.pixels) {
    value = (in[0] + in[1] + in[2]) / 3.0f;
    in += 3;
  }
  return depth;
}

RgbImage ColourDepth(const FloatGreyImage& depth) {
  const auto& table = SpectralTable();
  RgbImage image;
  image.size = depth.size;
  image.pixels.resize(depth.pixels.size() * 3);
  uint8_t* out = image.pixels.data();
  for (float value : depth.pixels) {
    // Also turns a NaN into 0.
    const float scaled = value > 0 ? std::min(value * 256.0f, 255.0f) : 0.0f;
    const auto& colour = table[static_cast<size_t>(scaled)];
    out = std::copy(colour.begin(), colour.end(), out);
  }
  return image;
}

RgbImage ToBytes(const FloatRgbImage& decoded) {
  RgbImage image;
  image.size = decoded.size;
  image.pixels.resize(decoded.pixels.size());
  std::transform(decoded.pixels.begin(), decoded.pixels.end(),
                 image.pixels.begin(), [](float value) {
                   // Also turns a NaN into 0.
                   const float scaled =
                       value > 0 ? std::min(255.0f * value, 255.0f) : 0.0f;
                   return static_cast<uint8_t>(scaled);
                 });
  return image;
}

}  // namespace cooper::image
