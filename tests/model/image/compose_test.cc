#include "model/image/compose.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/model/image/goldens.h"

namespace cooper::image {
namespace {

TEST(ComposeTest, GoldenRgbaIsComposedOnWhite) {
  const Goldens goldens("images");
  const std::vector<uint8_t> rgba = goldens.Bytes("rgba/rgba_u8");
  const RgbImage expected = goldens.Rgb("rgba/rgb_u8");
  const RgbImage image = ComposeOnWhite(expected.size, rgba);
  EXPECT_EQ(image.size, expected.size);
  EXPECT_EQ(image.pixels, expected.pixels);
}

TEST(ComposeTest, GoldenGreyGetsThreeEqualChannels) {
  const Goldens goldens("images");
  const RgbImage expected = goldens.Rgb("grey/rgb_u8");
  const RgbImage image =
      GreyToRgb(expected.size, goldens.Bytes("grey/grey_u8"));
  EXPECT_EQ(image.size, expected.size);
  EXPECT_EQ(image.pixels, expected.pixels);
}

TEST(ComposeTest, RoundsEveryPairOfValueAndAlpha) {
  for (int value = 0; value < 256; ++value) {
    for (int alpha = 0; alpha < 256; ++alpha) {
      const uint8_t rgba[] = {static_cast<uint8_t>(value), 0, 255,
                              static_cast<uint8_t>(alpha)};
      uint8_t rgb[3];
      ComposePixelsOnWhite(rgba, 1, rgb);
      const double exact = (value * alpha + 255.0 * (255 - alpha)) / 255;
      ASSERT_EQ(rgb[0], std::lround(exact)) << value << " " << alpha;
      ASSERT_EQ(rgb[1], 255 - alpha);
      ASSERT_EQ(rgb[2], 255);
    }
  }
}

TEST(ComposeTest, WorksInPlace) {
  constexpr size_t kPixels = 101;
  std::vector<uint8_t> pixels(4 * kPixels);
  for (size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<uint8_t>(i * 37);
  }
  std::vector<uint8_t> apart(3 * kPixels);
  ComposePixelsOnWhite(pixels.data(), kPixels, apart.data());
  ComposePixelsOnWhite(pixels.data(), kPixels, pixels.data());
  pixels.resize(3 * kPixels);
  EXPECT_EQ(pixels, apart);
}

TEST(ComposeTest, InvertedCmykIsInkTimesBlack) {
  const uint8_t cmyk[] = {255, 255, 255, 255,  // no ink
                          255, 255, 255, 0,    // all black
                          0,   255, 128, 200};
  uint8_t rgb[9];
  InvertedCmykToRgb(cmyk, 3, rgb);
  const std::vector<int> expected = {255, 255, 255, 0, 0, 0, 0, 200, 100};
  EXPECT_EQ(std::vector<int>(rgb, rgb + 9), expected);
}

}  // namespace
}  // namespace cooper::image
