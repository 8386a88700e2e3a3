#include "model/image/exif.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/strip.h"

namespace cooper::image {
namespace {

constexpr int kOrientationTag = 0x0112;
constexpr int kTypeShort = 3;
constexpr int kTypeLong = 4;
constexpr size_t kEntryBytes = 12;

// Unsigned integers of a TIFF block in its own byte order; 0 past its end.
class TiffReader {
 public:
  TiffReader(absl::string_view block, bool big_endian)
      : block_(block), big_endian_(big_endian) {}

  uint32_t Read(size_t offset, size_t bytes) const {
    if (offset > block_.size() || block_.size() - offset < bytes) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i) {
      const size_t at = big_endian_ ? offset + i : offset + bytes - 1 - i;
      value = value << 8 | static_cast<uint8_t>(block_[at]);
    }
    return value;
  }

 private:
  absl::string_view block_;
  bool big_endian_;
};

}  // namespace

int ExifOrientation(absl::string_view exif) {
  absl::ConsumePrefix(&exif, absl::string_view("Exif\0\0", 6));
  if (exif.size() < 8) return 1;
  const bool big_endian = exif[0] == 'M' && exif[1] == 'M';
  if (!big_endian && (exif[0] != 'I' || exif[1] != 'I')) return 1;
  const TiffReader tiff(exif, big_endian);
  if (tiff.Read(2, 2) != 42) return 1;
  const size_t directory = tiff.Read(4, 4);
  const size_t entries = tiff.Read(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (entry + kEntryBytes > exif.size()) return 1;
    if (tiff.Read(entry, 2) != kOrientationTag) continue;
    const uint32_t type = tiff.Read(entry + 2, 2);
    uint32_t value = 0;
    if (type == kTypeShort) value = tiff.Read(entry + 8, 2);
    if (type == kTypeLong) value = tiff.Read(entry + 8, 4);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

RgbImage Upright(RgbImage image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const ptrdiff_t width = image.size.width;
  const ptrdiff_t height = image.size.height;
  const bool swaps = orientation >= 5;
  // Whether the source is walked from its right, and from its bottom, edge.
  const bool from_right = orientation == 2 || orientation == 3 ||
                          orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 ||
                           orientation == 6 || orientation == 7;
  const ptrdiff_t step_x = from_right ? -3 : 3;
  const ptrdiff_t step_y = (from_bottom ? -3 : 3) * width;
  const uint8_t* const start = image.pixels.data() +
                               (from_right ? (width - 1) * 3 : 0) +
                               (from_bottom ? (height - 1) * width * 3 : 0);
  RgbImage upright;
  upright.size = swaps ? Size{image.size.height, image.size.width} : image.size;
  upright.pixels.resize(image.pixels.size());
  const ptrdiff_t out_width = upright.size.width;
  const ptrdiff_t out_height = upright.size.height;
  const ptrdiff_t across = swaps ? step_y : step_x;
  const ptrdiff_t down = swaps ? step_x : step_y;
  // Tiles keep both sides of a transposition in the cache.
  constexpr ptrdiff_t kTile = 32;  // px
  for (ptrdiff_t tile_y = 0; tile_y < out_height; tile_y += kTile) {
    for (ptrdiff_t tile_x = 0; tile_x < out_width; tile_x += kTile) {
      const ptrdiff_t end_y = std::min(tile_y + kTile, out_height);
      const ptrdiff_t end_x = std::min(tile_x + kTile, out_width);
      for (ptrdiff_t y = tile_y; y < end_y; ++y) {
        uint8_t* out = upright.pixels.data() + (y * out_width + tile_x) * 3;
        for (ptrdiff_t x = tile_x; x < end_x; ++x, out += 3) {
          const uint8_t* in = start + y * down + x * across;
          out[0] = in[0];
          out[1] = in[1];
          out[2] = in[2];
        }
      }
    }
  }
  return upright;
}

}  // namespace cooper::image
