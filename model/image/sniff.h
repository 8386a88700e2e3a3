#ifndef COOPER_MODEL_IMAGE_SNIFF_H_
#define COOPER_MODEL_IMAGE_SNIFF_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/image/codec.h"

namespace cooper::image {

// The format that the first bytes name. INVALID_ARGUMENT (kFormat) for any
// other; the message says what the bytes look like and never quotes them.
absl::StatusOr<Format> SniffFormat(absl::string_view bytes);

// "PNG", "JPEG", "WebP".
const char* FormatName(Format format);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_SNIFF_H_
