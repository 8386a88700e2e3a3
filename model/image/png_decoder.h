#ifndef COOPER_MODEL_IMAGE_PNG_DECODER_H_
#define COOPER_MODEL_IMAGE_PNG_DECODER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/image/codec.h"

// Contracts as those of codec.h, for bytes that start with
// PNG's signature. Ancillary chunks other than tRNS and eXIf are skipped
// without being expanded, so that they cannot be bombs; profiles and gamma are
// ignored, as Pillow does. Of an animation the default image is decoded.
//
// Ignored, since no pixel depends on them: flaws of the skipped chunks (wrong
// checksums, bad contents, any size), an eXIf chunk with a wrong checksum, data
// and chunks beyond the last row, and a missing or damaged IEND. Palette
// indices without an entry are black, as PNG asks for.
// Refused: IDAT that is cut, ends early or fails a checksum (CRC or Adler-32),
// and a flaw of IHDR, PLTE or tRNS that may change pixels.

namespace cooper::image {

absl::StatusOr<ImageHeader> ProbePng(absl::string_view bytes,
                                     const DecodeLimits& limits);
absl::StatusOr<int64_t> PngDecodeBytes(absl::string_view bytes,
                                       const DecodeLimits& limits);
absl::StatusOr<RgbImage> DecodePng(absl::string_view bytes,
                                   const DecodeLimits& limits);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_PNG_DECODER_H_
