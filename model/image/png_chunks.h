#ifndef COOPER_MODEL_IMAGE_PNG_CHUNKS_H_
#define COOPER_MODEL_IMAGE_PNG_CHUNKS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/image/codec.h"

namespace cooper::image {

// The parts of a PNG file that its pixels follow from.
struct PngParts {
  // Pieces of the file, in order: signature, critical chunks up to the last
  // IDAT of the first run, and tRNS where it has a meaning. Together with an
  // IEND chunk they are a PNG file.
  std::vector<absl::string_view> pieces;
  int orientation = 1;  // of the eXIf chunk, 1..8
  // The file ends before an IEND chunk: the pixels may be complete or not.
  bool ends_early = false;
};

// Walks the chunks without a codec and looks at no data but IHDR's, eXIf's and
// lengths. Flaws of the parts left out are of no consequence: ancillary chunks
// with wrong checksums, bad contents or any size, a palette of an image that
// has none, and whatever follows the pixels, a missing IEND included.
// `bytes` start with a signature and an IHDR chunk (ProbePng).
// INVALID_ARGUMENT: the file is cut within or before its IDAT chunks.
absl::StatusOr<PngParts> ReadPngParts(absl::string_view bytes);

// An unsigned integer of 4 bytes.
uint32_t ReadPngInteger(absl::string_view bytes, size_t offset);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_PNG_CHUNKS_H_
