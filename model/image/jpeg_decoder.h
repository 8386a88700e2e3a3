#ifndef COOPER_MODEL_IMAGE_JPEG_DECODER_H_
#define COOPER_MODEL_IMAGE_JPEG_DECODER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/image/codec.h"

// Contracts as those of codec.h, for bytes that start with
// FF D8 FF. Embedded profiles are ignored and four components are taken as
// Adobe's inverted CMYK or YCCK, as Pillow does. Of a multi-picture file the
// first picture is decoded.
//
// Ignored, since no pixel is lost: an unknown version of JFIF or transform of
// Adobe, parameters of a scan that its coding does not use, bytes between
// segments and before the end marker, segments of a wrong length that leave the
// next marker to be found, a malformed EXIF block, whatever follows complete
// data, and the end marker itself where it is missing.
// Refused: data that ends or is damaged within a scan (premature end, bad
// codes, restart markers out of order) and pictures whose scans are not all
// there.

namespace cooper::image {

absl::StatusOr<ImageHeader> ProbeJpeg(absl::string_view bytes,
                                      const DecodeLimits& limits);
absl::StatusOr<int64_t> JpegDecodeBytes(absl::string_view bytes,
                                        const DecodeLimits& limits);
absl::StatusOr<RgbImage> DecodeJpeg(absl::string_view bytes,
                                    const DecodeLimits& limits);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_JPEG_DECODER_H_
