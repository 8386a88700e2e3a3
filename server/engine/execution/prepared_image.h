#ifndef COOPER_SERVER_ENGINE_EXECUTION_PREPARED_IMAGE_H_
#define COOPER_SERVER_ENGINE_EXECUTION_PREPARED_IMAGE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "base/digest.h"
#include "model/image/image.h"

namespace cooper::engine {

// An input image, ready for the model. `latents` follows the VAE rule, `vision`
// the ViT rule applied to that; what the program does not use may be null.
struct PreparedImage {
  std::shared_ptr<const image::RgbImage> latents;
  std::shared_ptr<const image::RgbImage> vision;
  // Digest of the pixels and the size that the VAE rule gives, from which both
  // images follow (DigestOf). Unset: the image is not shared between requests,
  // and its latents are sampled with the request's noise, as upstream.
  std::optional<base::Digest> pixels;
};

// The digest of an image's size and pixels. Equal pixels have equal digests,
// whatever file they came from.
base::Digest DigestOf(const image::RgbImage& image);

// The seed that an image's latents are sampled with. It follows from the pixels
// alone (PreparedImage::pixels), so that requests about the same pixels share
// what is encoded of them and get the same results; a request's own seed is for
// what the model writes and generates. Upstream draws this noise from the
// request's generator instead.
uint64_t ImageSeed(const base::Digest& pixels);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_PREPARED_IMAGE_H_
