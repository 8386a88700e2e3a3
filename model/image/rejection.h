#ifndef COOPER_MODEL_IMAGE_REJECTION_H_
#define COOPER_MODEL_IMAGE_REJECTION_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/image/codec.h"

// How the decoders say no. Private to this folder; callers read the reason
// with RejectionOf (codec.h).

namespace cooper::image {

// INVALID_ARGUMENT with `rejection` as its payload. `message` may hold bytes
// of a stranger: control and non-ASCII characters become '?', and it is cut
// after 300 characters.
absl::Status Reject(Rejection rejection, absl::string_view message);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_REJECTION_H_
