#include "server/engine/execution/drawn_map.h"

#include "model/image/maps.h"
#include "model/image/resize.h"

namespace cooper::engine {

void RenderPicture(DrawnMap* map) {
  if (map->kind == model::MapKind::kDepth) {
    map->depth = image::DepthOf(map->decoded);
    map->picture = image::ColourDepth(map->depth);
  } else {
    map->picture = image::ToBytes(map->decoded);
  }
}

void RenderVision(const model::ImageRule& vae_rule,
                  const model::ImageRule& vit_rule, DrawnMap* map) {
  map->vision = std::make_shared<const image::RgbImage>(
      image::ApplyRule(image::ApplyRule(map->picture, vae_rule), vit_rule));
}

}  // namespace cooper::engine
