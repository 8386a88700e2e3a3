#ifndef COOPER_MODEL_IMAGE_JPEG_DECODER_H_
#define COOPER_MODEL_IMAGE_JPEG_DECODER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/image/codec.h"

// Contracts as ProbeImage and DecodeImage (codec.h), for bytes that start with
// FF D8 FF. Embedded profiles are ignored and four components are taken as
// Adobe's inverted CMYK or YCCK, as Pillow does. Of a multi-picture file the
// first picture is decoded.

namespace cooper::image {

absl::StatusOr<ImageHeader> ProbeJpeg(absl::string_view bytes,
                                      const DecodeLimits& limits);
absl::StatusOr<RgbImage> DecodeJpeg(absl::string_view bytes,
                                    const DecodeLimits& limits);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_JPEG_DECODER_H_
