#ifndef COOPER_SERVER_ENGINE_EXECUTION_DRAWN_MAP_H_
#define COOPER_SERVER_ENGINE_EXECUTION_DRAWN_MAP_H_

#include <memory>
#include <string>

#include "model/image/image.h"
#include "model/options.h"

namespace cooper::engine {

// A map or picture in all its forms. Constant once shared.
struct DrawnMap {
  int map_id = 0;
  model::MapKind kind = model::MapKind::kDepth;
  image::FloatRgbImage decoded;
  image::FloatGreyImage depth;  // of kDepth: 0 near .. 1 far; else empty
  image::RgbImage picture;      // depth: its Spectral colours
  // What the vision encoder sees; null unless it was asked for.
  std::shared_ptr<const image::RgbImage> vision;
};

// Fills depth and picture from map->decoded (model-spec section 5).
void RenderPicture(DrawnMap* map);
// Fills vision from map->picture: the VAE rule, then the ViT rule.
void RenderVision(const model::ImageRule& vae_rule,
                  const model::ImageRule& vit_rule, DrawnMap* map);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_DRAWN_MAP_H_
