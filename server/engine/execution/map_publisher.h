#ifndef COOPER_SERVER_ENGINE_EXECUTION_MAP_PUBLISHER_H_
#define COOPER_SERVER_ENGINE_EXECUTION_MAP_PUBLISHER_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/image/image.h"
#include "server/engine/core/event.h"
#include "server/engine/execution/drawn_map.h"

namespace cooper::engine {

// Bytes for the caller. Pure; each blocks for the encoding, so it runs on the
// encode pool.

// One MapEvent per role asked for, in the order of `output.roles`. Of a
// segmentation or image kDisplay is the same as kValues and is left out where
// kValues is sent as PNG. INTERNAL ENCODE where a codec fails.
absl::StatusOr<std::vector<Event>> RenderMapEvents(const DrawnMap& map,
                                                   const OutputOptions& output);

// A picture of a map under way as PNG; nullopt where it would pass
// kMaxPreviewBytes or cannot be encoded.
std::optional<std::string> RenderPreview(model::MapKind kind,
                                         image::FloatRgbImage decoded);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_MAP_PUBLISHER_H_
