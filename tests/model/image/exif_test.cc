#include "model/image/exif.h"

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

// The picture `a b c / d e f` as one of eight orientations shows it upright;
// each letter is a pixel.
struct Case {
  int orientation;
  Size size;
  std::string letters;
};

const Case kCases[] = {
    {1, {3, 2}, "abcdef"}, {2, {3, 2}, "cbafed"}, {3, {3, 2}, "fedcba"},
    {4, {3, 2}, "defabc"}, {5, {2, 3}, "adbecf"}, {6, {2, 3}, "daebfc"},
    {7, {2, 3}, "fcebda"}, {8, {2, 3}, "cfbead"},
};

RgbImage Letters(Size size, const std::string& letters) {
  RgbImage image{size, {}};
  for (char letter : letters) {
    const auto value = static_cast<uint8_t>(letter);
    image.pixels.insert(image.pixels.end(),
                        {value, static_cast<uint8_t>(value + 1),
                         static_cast<uint8_t>(2 * value)});
  }
  return image;
}

// Letters of 16 x 16 pixels, so that JPEG's blocks do not mix them.
RgbImage Enlarged(const RgbImage& image) {
  RgbImage large{{image.size.width * 16, image.size.height * 16}, {}};
  for (int y = 0; y < large.size.height; ++y) {
    for (int x = 0; x < large.size.width; ++x) {
      const uint8_t* rgb =
          image.pixels.data() + RedAt(image.size, x / 16, y / 16);
      large.pixels.insert(large.pixels.end(), rgb, rgb + 3);
    }
  }
  return large;
}

std::string PngOf(const RgbImage& image, const std::string& exif) {
  PngSpec spec;
  spec.size = image.size;
  spec.sample = [&image](int x, int y, int c) {
    return image.pixels[RedAt(image.size, x, y) + static_cast<size_t>(c)];
  };
  spec.chunks = {{"eXIf", exif}};
  return BuildPng(spec);
}

TEST(UprightTest, TurnsAllEightOrientations) {
  for (const Case& item : kCases) {
    SCOPED_TRACE(item.orientation);
    const RgbImage expected = Letters(item.size, item.letters);
    const RgbImage image = Upright(Letters({3, 2}, "abcdef"), item.orientation);
    EXPECT_EQ(image.size, expected.size);
    EXPECT_EQ(image.pixels, expected.pixels);
  }
}

TEST(UprightTest, TilesOfLargePicturesMeet) {
  // Turning right four times, and mirroring twice, is the picture again.
  const RgbImage image = Gradient({101, 67});
  RgbImage turned = image;
  for (int i = 0; i < 4; ++i) turned = Upright(turned, 6);
  EXPECT_EQ(turned.pixels, image.pixels);
  EXPECT_EQ(Upright(Upright(image, 7), 7).pixels, image.pixels);
  EXPECT_EQ(Upright(Upright(image, 6), 8).pixels, image.pixels);
}

TEST(ExifTest, EveryFormatIsShownUpright) {
  for (const Case& item : kCases) {
    for (bool big_endian : {false, true}) {
      SCOPED_TRACE(item.orientation);
      const std::string exif = ExifBlock(item.orientation, big_endian);
      const RgbImage stored = Letters({3, 2}, "abcdef");
      const RgbImage expected = Letters(item.size, item.letters);
      ASSERT_OK_AND_ASSIGN(const RgbImage png,
                           DecodeImage(PngOf(stored, exif), {}));
      EXPECT_EQ(png.size, expected.size);
      EXPECT_EQ(png.pixels, expected.pixels);
      ASSERT_OK_AND_ASSIGN(
          const RgbImage webp,
          DecodeImage(
              WithExifChunk(BuildLosslessWebp(stored), stored.size, exif), {}));
      EXPECT_EQ(webp.size, expected.size);
      EXPECT_EQ(webp.pixels, expected.pixels);
    }
  }
}

TEST(ExifTest, JpegIsShownUpright) {
  const RgbImage stored = Enlarged(Letters({3, 2}, "ajs{ 0"));
  ASSERT_OK_AND_ASSIGN(const std::string jpeg, EncodeJpeg(stored, 95));
  ASSERT_OK_AND_ASSIGN(const RgbImage plain, DecodeImage(jpeg, {}));
  for (int orientation = 1; orientation <= 8; ++orientation) {
    SCOPED_TRACE(orientation);
    const std::string turned = WithExif(jpeg, ExifBlock(orientation, true));
    ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodeImage(turned, {}));
    const RgbImage expected = Upright(plain, orientation);
    EXPECT_EQ(image.size, expected.size);
    EXPECT_EQ(image.pixels, expected.pixels);
    // The header gives the size as it is stored.
    ASSERT_OK_AND_ASSIGN(const ImageHeader header, ProbeImage(turned, {}));
    EXPECT_EQ(header.size, stored.size);
  }
}

TEST(ExifTest, MalformedBlocksMeanUpright) {
  const std::string good = ExifBlock(6, false);
  EXPECT_EQ(ExifOrientation(good), 6);
  EXPECT_EQ(ExifOrientation(std::string("Exif\0\0", 6) + good), 6);
  EXPECT_EQ(ExifOrientation(""), 1);
  EXPECT_EQ(ExifOrientation("Exif"), 1);
  EXPECT_EQ(ExifOrientation("nonsense and no TIFF header"), 1);
  for (size_t length = 0; length < good.size() - 4; ++length) {
    EXPECT_EQ(ExifOrientation(good.substr(0, length)), 1) << length;
  }
  EXPECT_EQ(ExifOrientation(ExifBlock(0, true)), 1);
  EXPECT_EQ(ExifOrientation(ExifBlock(9, true)), 1);
  std::string far_directory = good;
  far_directory[7] = '\x7f';
  EXPECT_EQ(ExifOrientation(far_directory), 1);
}

}  // namespace
}  // namespace cooper::image
