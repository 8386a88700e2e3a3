#ifndef COOPER_SERVER_ENGINE_PREFIX_KEY_H_
#define COOPER_SERVER_ENGINE_PREFIX_KEY_H_

#include <optional>

#include "absl/types/span.h"
#include "model/image/image.h"
#include "model/noise.h"
#include "model/text_codec.h"
#include "server/base/digest.h"

namespace cooper::engine {

// Keys of contexts by their content: that of the content before, and of the
// segment that follows. All strangers' requests share the cache, so that equal
// keys must mean equal contents. Pure.

// Of a context that holds nothing.
base::Digest EmptyPrefix();

base::Digest TextPrefix(const base::Digest& before,
                        absl::Span<const model::TokenId> ids);

// `file`: digest of the image file; the model's rule for it is fixed, so that
// file and kind of encoding tell the pixels.
base::Digest VisionPrefix(const base::Digest& before, const base::Digest& file,
                          image::Size size);

// Latents are drawn: they depend on the noise from `place` on too.
base::Digest LatentPrefix(const base::Digest& before, const base::Digest& file,
                          image::Size size, const model::NoisePlace& place);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PREFIX_KEY_H_
