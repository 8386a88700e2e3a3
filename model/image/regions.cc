#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "model/image/colour_labels.h"
#include "model/image/maps.h"

namespace cooper::image {
namespace {

constexpr size_t kMaxRegions = 256;

// Disjoint sets of pixels. A root is its set's first pixel.
class PixelSets {
 public:
  explicit PixelSets(size_t pixels) : parent_(pixels) {
    std::iota(parent_.begin(), parent_.end(), 0u);
  }
  void Join(size_t a, size_t b) {
    const uint32_t root_a = Find(static_cast<uint32_t>(a));
    const uint32_t root_b = Find(static_cast<uint32_t>(b));
    parent_[std::max(root_a, root_b)] = std::min(root_a, root_b);
  }
  // The root of every pixel. Ends the use of the sets.
  std::vector<uint32_t> TakeRoots() {
    // Parents come before their children, so they are roots already.
    for (uint32_t& parent : parent_) parent = parent_[parent];
    return std::move(parent_);
  }

 private:
  uint32_t Find(uint32_t pixel) {
    while (parent_[pixel] != pixel) {
      parent_[pixel] = parent_[parent_[pixel]];
      pixel = parent_[pixel];
    }
    return pixel;
  }

  std::vector<uint32_t> parent_;
};

// The first pixel of the 8-connected area of like labels, for every pixel.
std::vector<uint32_t> ConnectLikeLabels(const std::vector<uint8_t>& labels,
                                        Size size) {
  PixelSets sets(labels.size());
  const auto width = static_cast<size_t>(size.width);
  for (size_t i = 0; i < labels.size(); ++i) {
    const size_t x = i % width;
    const auto join = [&](size_t other) {
      const bool alike = labels[other] == labels[i];
      if (alike) sets.Join(other, i);
      return alike;
    };
    const bool above = i >= width && join(i - width);
    // Where the pixel above is alike it has met both pixels beside it; and
    // where the left one's neighbour above is alike too, the left one.
    if (!above && i >= width && x + 1 < width) join(i - width + 1);
    if (x == 0) continue;
    const bool known = above && labels[i - width - 1] == labels[i];
    if (!known) join(i - 1);
    if (!above && i >= width) join(i - width - 1);
  }
  return sets.TakeRoots();
}

// Every area of at least `min_area` pixels, as it lies in `image`.
std::vector<Region> Measure(const RgbImage& image,
                            const std::vector<uint32_t>& roots,
                            int64_t min_area) {
  const size_t pixels = roots.size();
  const auto width = static_cast<size_t>(image.size.width);
  std::vector<uint32_t> area(pixels, 0);
  for (uint32_t root : roots) ++area[root];
  struct Sum {
    Region region;
    std::array<int64_t, 3> colour = {};
  };
  std::vector<Sum> sums;
  // From here on `area` of a kept root is the index of its sum, plus one.
  for (size_t i = 0; i < pixels; ++i) {
    if (area[i] == 0) continue;
    const int64_t found = area[i];
    area[i] = 0;
    if (found < min_area) continue;
    Sum sum;
    sum.region.area = found;
    sum.region.left = image.size.width;
    sum.region.top = image.size.height;
    sums.push_back(sum);
    area[i] = static_cast<uint32_t>(sums.size());
  }
  for (size_t i = 0; i < pixels; ++i) {
    const uint32_t index = area[roots[i]];
    if (index == 0) continue;
    Sum& sum = sums[index - 1];
    const int x = static_cast<int>(i % width);
    const int y = static_cast<int>(i / width);
    Region& region = sum.region;
    region.left = std::min(region.left, x);
    region.top = std::min(region.top, y);
    region.right = std::max(region.right, x + 1);
    region.bottom = std::max(region.bottom, y + 1);
    for (size_t c = 0; c < 3; ++c) sum.colour[c] += image.pixels[3 * i + c];
  }
  std::vector<Region> regions;
  regions.reserve(sums.size());
  for (Sum& sum : sums) {
    for (size_t c = 0; c < 3; ++c) {
      sum.region.colour[c] = static_cast<uint8_t>(
          (sum.colour[c] + sum.region.area / 2) / sum.region.area);
    }
    regions.push_back(sum.region);
  }
  return regions;
}

}  // namespace

std::vector<Region> FindRegions(const RgbImage& segmentation,
                                double min_area_fraction) {
  const Size size = segmentation.size;
  if (size.width <= 0 || size.height <= 0) return {};
  const size_t pixels =
      static_cast<size_t>(size.width) * static_cast<size_t>(size.height);
  COOPER_CHECK(segmentation.pixels.size() == pixels * 3);
  COOPER_CHECK(pixels < std::numeric_limits<uint32_t>::max());
  const std::vector<uint32_t> roots =
      ConnectLikeLabels(LabelColours(segmentation), size);
  const auto min_area = static_cast<int64_t>(
      std::ceil(min_area_fraction * static_cast<double>(pixels)));
  std::vector<Region> regions =
      Measure(segmentation, roots, std::max<int64_t>(min_area, 1));
  std::sort(regions.begin(), regions.end(),
            [](const Region& a, const Region& b) {
              return std::tie(b.area, a.top, a.left) <
                     std::tie(a.area, b.top, b.left);
            });
  if (regions.size() > kMaxRegions) regions.resize(kMaxRegions);
  return regions;
}

}  // namespace cooper::image
