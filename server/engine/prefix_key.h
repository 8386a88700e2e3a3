#ifndef COOPER_SERVER_ENGINE_PREFIX_KEY_H_
#define COOPER_SERVER_ENGINE_PREFIX_KEY_H_

#include "absl/types/span.h"
#include "model/image/image.h"
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

// What is sampled of an image's latents is the image's own (ImageSeed), so that
// the file tells it too.
base::Digest LatentPrefix(const base::Digest& before, const base::Digest& file,
                          image::Size size);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PREFIX_KEY_H_
