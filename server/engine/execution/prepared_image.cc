#include "server/engine/execution/prepared_image.h"

#include <cstddef>

namespace cooper::engine {

base::Digest DigestOf(const image::RgbImage& image) {
  return base::Hasher()
      .AddInteger(image.size.width)
      .AddInteger(image.size.height)
      .Add(image.pixels.data(), image.pixels.size())
      .Finish();
}

uint64_t ImageSeed(const base::Digest& pixels) {
  uint64_t seed = 0;
  for (size_t i = 0; i < sizeof(seed); ++i) seed = seed << 8 | pixels[i];
  return seed;
}

}  // namespace cooper::engine
