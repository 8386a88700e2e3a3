#ifndef COOPER_MODEL_IMAGE_JPEG_MARKERS_H_
#define COOPER_MODEL_IMAGE_JPEG_MARKERS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/image/codec.h"

namespace cooper::image {

// What a JPEG's marker segments say up to its first scan.
struct JpegHeader {
  Size size;            // as stored
  int components = 0;   // 1, 3 or 4
  int orientation = 1;  // of the EXIF segment, 1..8
  // What a decoder keeps of all coefficients, since they come in several scans;
  // 0: one scan has all.
  int64_t coefficient_bytes = 0;
};

// Walks the segments without a codec and allocates nothing. Bytes between them
// are skipped.
// INVALID_ARGUMENT: truncated or missing segments, a frame other than
// 8 bits with 1, 3 or 4 components, or a size out of `limits`.
absl::StatusOr<JpegHeader> ReadJpegHeader(absl::string_view bytes,
                                          const DecodeLimits& limits);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_JPEG_MARKERS_H_
