#ifndef COOPER_MODEL_IMAGE_EXIF_H_
#define COOPER_MODEL_IMAGE_EXIF_H_

#include "absl/strings/string_view.h"
#include "model/image/image.h"

namespace cooper::image {

// The orientation tag (1..8) of an EXIF block: a TIFF header with its first
// directory, with or without "Exif\0\0" before it. 1 (upright) where the tag
// is absent or the block is malformed: a picture is not refused for it.
int ExifOrientation(absl::string_view exif);

// `image` turned and mirrored upright from `orientation`; 5..8 swap the sides.
// Any other value than 2..8 leaves it as it is.
RgbImage Upright(RgbImage image, int orientation);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_EXIF_H_
