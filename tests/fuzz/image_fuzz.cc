// Images sent by a stranger: probe and decoders.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "model/image/codec.h"
#include "tests/fuzz/fuzz_target.h"

namespace cooper::fuzz {
namespace {

using image::DecodeLimits;
using image::ImageHeader;
using image::RasterBytes;
using image::RgbImage;
using image::Size;

// Small, so that a run tries many inputs and not a few large ones.
DecodeLimits FuzzLimits() {
  DecodeLimits limits;
  limits.max_pixels = int64_t{1} << 18;
  limits.max_side = 2048;
  limits.max_jpeg_scans = 20;
  return limits;
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  const DecodeLimits limits = FuzzLimits();
  const absl::StatusOr<ImageHeader> header = ProbeImage(bytes, limits);
  const absl::StatusOr<RgbImage> image = DecodeImage(bytes, limits);
  if (!header.ok()) {
    // What the probe refuses, the decoder must refuse, for the same reason.
    COOPER_CHECK(!image.ok());
    COOPER_CHECK(image.status() == header.status());
    return;
  }
  const absl::StatusOr<int64_t> peak = PeakDecodeBytes(bytes, limits);
  COOPER_CHECK(peak.ok() || peak.status() == image.status());
  if (!image.ok()) {
    COOPER_CHECK(image.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  const Size stored = header->size;
  const Size turned = {stored.height, stored.width};
  COOPER_CHECK(image->size == stored || image->size == turned);
  COOPER_CHECK(int64_t{stored.width} * stored.height <= limits.max_pixels);
  COOPER_CHECK(*peak >= RasterBytes(stored));
  COOPER_CHECK(image->pixels.size() == static_cast<size_t>(stored.width) *
                                           static_cast<size_t>(stored.height) *
                                           3);
}

}  // namespace cooper::fuzz
