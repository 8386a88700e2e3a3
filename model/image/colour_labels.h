#ifndef COOPER_MODEL_IMAGE_COLOUR_LABELS_H_
#define COOPER_MODEL_IMAGE_COLOUR_LABELS_H_

#include <cstdint>
#include <vector>

#include "model/image/image.h"

namespace cooper::image {

// Which of the map's few colours each pixel shows: equal labels (1..255) are
// like colours. `map` must not be empty.
//
// A drawn segmentation is a picture: flat areas with some noise, and blurred
// borders whose mixed colours belong to no object. So the colours are learnt
// from the flat pixels alone; areas start from their inner pixels and all grow
// over the borders at one speed. That leaves no rings of mixed colours.
// Linear in the pixels, whatever they show.
std::vector<uint8_t> LabelColours(const RgbImage& map);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_COLOUR_LABELS_H_
