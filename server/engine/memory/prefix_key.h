#ifndef COOPER_SERVER_ENGINE_MEMORY_PREFIX_KEY_H_
#define COOPER_SERVER_ENGINE_MEMORY_PREFIX_KEY_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/digest.h"
#include "model/image/image.h"
#include "model/text_codec.h"

namespace cooper::engine {

// Keys of contexts by their content: that of the content before, and of the
// segment that follows. All strangers' requests share the cache, so that equal
// keys must mean equal contents. Pure.

// Of a context that holds nothing.
base::Digest EmptyPrefix();

// The same where clients share nothing: no content of another client's has a
// key that begins with it. An empty name: EmptyPrefix().
base::Digest RootPrefix(absl::string_view client);

base::Digest TextPrefix(const base::Digest& before,
                        absl::Span<const model::TokenId> ids);

// `pixels`: digest of the prepared image (PreparedImage::pixels). The model's
// resize rules are fixed, so that these pixels and the kind of encoding
// determine what is encoded.
base::Digest VisionPrefix(const base::Digest& before,
                          const base::Digest& pixels, image::Size size);

// The noise of an image's latents follows from its pixels (ImageSeed), so that
// the digest covers it too.
base::Digest LatentPrefix(const base::Digest& before,
                          const base::Digest& pixels, image::Size size);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_MEMORY_PREFIX_KEY_H_
