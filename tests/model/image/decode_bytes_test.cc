// PeakDecodeBytes: what an image costs while it is decoded.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/image/codec.h"
#include "tests/model/image/jpeg_fixtures.h"
#include "tests/model/image/png_fixtures.h"
#include "tests/model/image/webp_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace cooper::image {
namespace {

// Whole blocks of a JPEG.
constexpr Size kSize{128, 64};
constexpr int64_t kPixels = int64_t{128} * 64;

int64_t PeakOf(const std::string& file) {
  const absl::StatusOr<int64_t> bytes = PeakDecodeBytes(file, {});
  EXPECT_OK(bytes);
  return bytes.value_or(-1);
}

std::string Jpeg(JpegSpec spec, int components = 3) {
  spec.size = kSize;
  spec.pixels.assign(static_cast<size_t>(kPixels * components), 90);
  return BuildJpeg(spec);
}

TEST(DecodeBytesTest, AJpegOfOneScanIsItsRaster) {
  EXPECT_EQ(PeakOf(Jpeg({})), 3 * kPixels);
  EXPECT_EQ(PeakOf(Jpeg({.arithmetic = true})), 3 * kPixels);
}

TEST(DecodeBytesTest, AJpegOfSeveralScansKeepsItsCoefficients) {
  // Two bytes each.
  EXPECT_EQ(PeakOf(Jpeg({.progressive = true})), (3 + 3 * 2) * kPixels);
  EXPECT_EQ(PeakOf(Jpeg({.separate_scans = true})), (3 + 3 * 2) * kPixels);
  EXPECT_EQ(PeakOf(Jpeg({.colour = JpegColour::kCmyk, .progressive = true}, 4)),
            (3 + 4 * 2) * kPixels);
  EXPECT_EQ(PeakOf(Jpeg({.colour = JpegColour::kGrey, .many_scans = true}, 1)),
            (3 + 2) * kPixels);
}

TEST(DecodeBytesTest, SubsampledComponentsHaveFewerCoefficients) {
  std::string file = Jpeg({.progressive = true});
  // The sampling factors of the first component of SOF2: 2 by 2.
  const size_t frame = file.find("\xff\xc2");
  ASSERT_NE(frame, std::string::npos);
  file[frame + 4 + 7] = 0x22;
  EXPECT_EQ(PeakOf(file), 3 * kPixels + 2 * (kPixels + kPixels / 2));
}

TEST(DecodeBytesTest, PartsOfBlocksCountAsBlocks) {
  JpegSpec spec{.size = {9, 1}, .progressive = true};
  spec.pixels.assign(27, 90);
  EXPECT_EQ(PeakOf(BuildJpeg(spec)), 27 + 3 * 2 * 128);
}

TEST(DecodeBytesTest, AnOrientationTakesACopy) {
  const std::string exif = ExifBlock(6, /*big_endian=*/true);
  EXPECT_EQ(PeakOf(WithExif(Jpeg({}), exif)), 6 * kPixels);
  // The codec's memory is free again when the copy is made.
  EXPECT_EQ(PeakOf(WithExif(Jpeg({.progressive = true}), exif)), 9 * kPixels);
  PngSpec png{.size = kSize, .sample = [](int, int, int) { return 1; }};
  EXPECT_EQ(PeakOf(BuildPng(png)), 3 * kPixels);
  png.chunks = {{"eXIf", exif}};
  EXPECT_EQ(PeakOf(BuildPng(png)), 6 * kPixels);
  const std::string webp = BuildLossyWebp(Gradient(kSize), 50);
  EXPECT_EQ(PeakOf(webp), 3 * kPixels);
  EXPECT_EQ(PeakOf(WithExifChunk(webp, kSize, exif)), 6 * kPixels);
}

TEST(DecodeBytesTest, APngIsItsRasterInterlacedTooWhateverItsDepth) {
  for (const bool interlaced : {false, true}) {
    const PngSpec spec{.size = kSize,
                       .bit_depth = 16,
                       .colour_type = kPngRgba,
                       .interlaced = interlaced,
                       .sample = [](int, int, int) { return 1; }};
    EXPECT_EQ(PeakOf(BuildPng(spec)), 3 * kPixels);
  }
}

TEST(DecodeBytesTest, ALosslessWebpIsHeldTwice) {
  EXPECT_EQ(PeakOf(BuildLosslessWebp(Gradient(kSize))), (3 + 4) * kPixels);
  EXPECT_EQ(PeakOf(BuildAlphaWebp(kSize, std::vector<uint8_t>(4 * kPixels, 9))),
            (4 + 4) * kPixels);
}

TEST(DecodeBytesTest, WhatCannotBeDecodedHasNoPeak) {
  EXPECT_FALSE(PeakDecodeBytes("", {}).ok());
  EXPECT_FALSE(PeakDecodeBytes(Jpeg({}), {.max_side = 10}).ok());
  EXPECT_FALSE(PeakDecodeBytes(PngHeader(8, 8), {}).ok());
}

}  // namespace
}  // namespace cooper::image
