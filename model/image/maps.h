#ifndef COOPER_MODEL_IMAGE_MAPS_H_
#define COOPER_MODEL_IMAGE_MAPS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "model/image/image.h"

namespace cooper::image {

// Mean over the three channels: relative depth, 0 near .. 1 far.
FloatGreyImage DepthOf(const FloatRgbImage& decoded);

// matplotlib's Spectral: entry min(trunc(depth * 256), 255) of the 256-entry
// table; near is dark red, far is violet.
RgbImage ColourDepth(const FloatGreyImage& depth);
const std::array<std::array<uint8_t, 3>, 256>& SpectralTable();

// Bytes trunc(255 * x).
RgbImage ToBytes(const FloatRgbImage& decoded);

// One colour of a segmentation.
struct Region {
  std::array<uint8_t, 3> colour;  // R G B, mean over the region's pixels
  int64_t area = 0;               // px
  int left = 0, top = 0;          // px, inclusive
  int right = 0, bottom = 0;      // px, exclusive
};

// Connected areas of like colour, largest first, the background among them:
// the drawn map is smoothed (median), its colours are quantised, blurred
// borders join an area beside them, and 8-connected areas of at least
// `min_area_fraction` of the image are kept. At most 256 regions. Details below
// 3 px (on maps from 256 px on: 7 px) may be lost. Linear in the pixels.
std::vector<Region> FindRegions(const RgbImage& segmentation,
                                double min_area_fraction = 0.001);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_MAPS_H_
