#include "server/engine/memory/prefix_key.h"

namespace cooper::engine {
namespace {

enum class Kind : uint8_t { kText, kVision, kLatent, kClient };

base::Hasher& Begin(base::Hasher& hasher, Kind kind,
                    const base::Digest& before) {
  return hasher.AddInteger(static_cast<uint8_t>(kind)).Add(before);
}

base::Digest ImagePrefix(Kind kind, const base::Digest& before,
                         const base::Digest& pixels, image::Size size) {
  base::Hasher hasher;
  return Begin(hasher, kind, before)
      .Add(pixels)
      .AddInteger(size.width)
      .AddInteger(size.height)
      .Finish();
}

}  // namespace

base::Digest EmptyPrefix() { return base::Digest{}; }

base::Digest RootPrefix(absl::string_view client) {
  if (client.empty()) return EmptyPrefix();
  base::Hasher hasher;
  return Begin(hasher, Kind::kClient, EmptyPrefix())
      .Add(client.data(), client.size())
      .Finish();
}

base::Digest TextPrefix(const base::Digest& before,
                        absl::Span<const model::TokenId> ids) {
  base::Hasher hasher;
  return Begin(hasher, Kind::kText, before)
      .AddInteger(ids.size())
      .Add(ids.data(), ids.size() * sizeof(ids[0]))
      .Finish();
}

base::Digest VisionPrefix(const base::Digest& before,
                          const base::Digest& pixels, image::Size size) {
  return ImagePrefix(Kind::kVision, before, pixels, size);
}

base::Digest LatentPrefix(const base::Digest& before,
                          const base::Digest& pixels, image::Size size) {
  return ImagePrefix(Kind::kLatent, before, pixels, size);
}

}  // namespace cooper::engine
