#ifndef COOPER_MODEL_IMAGE_WEBP_DECODER_H_
#define COOPER_MODEL_IMAGE_WEBP_DECODER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/image/codec.h"

// Contracts as those of codec.h, for bytes that start with
// RIFF....WEBP; lossy, lossless, with alpha. Of an animation the first frame
// is decoded, on a white canvas.

namespace cooper::image {

absl::StatusOr<ImageHeader> ProbeWebp(absl::string_view bytes,
                                      const DecodeLimits& limits);
absl::StatusOr<int64_t> WebpDecodeBytes(absl::string_view bytes,
                                        const DecodeLimits& limits);
absl::StatusOr<RgbImage> DecodeWebp(absl::string_view bytes,
                                    const DecodeLimits& limits);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_WEBP_DECODER_H_
