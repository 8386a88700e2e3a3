#ifndef COOPER_MODEL_IMAGE_PNG_DECODER_H_
#define COOPER_MODEL_IMAGE_PNG_DECODER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/image/codec.h"

// Contracts as ProbeImage and DecodeImage (codec.h), for bytes that start with
// PNG's signature. Ancillary chunks other than tRNS and eXIf are skipped
// without being expanded, so that they cannot be bombs; profiles and gamma are
// ignored, as Pillow does. Of an animation the default image is decoded.

namespace cooper::image {

absl::StatusOr<ImageHeader> ProbePng(absl::string_view bytes,
                                     const DecodeLimits& limits);
absl::StatusOr<RgbImage> DecodePng(absl::string_view bytes,
                                   const DecodeLimits& limits);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_PNG_DECODER_H_
