#include "model/image/maps.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "tests/model/image/goldens.h"

namespace cooper::image {
namespace {

TEST(MapsTest, SpectralTableIsTheGoldenOne) {
  const std::vector<uint8_t> golden =
      Goldens("maps").Bytes("spectral/table_u8");
  ASSERT_EQ(golden.size(), 256u * 3);
  for (size_t i = 0; i < golden.size(); ++i) {
    ASSERT_EQ(SpectralTable()[i / 3][i % 3], golden[i]) << i;
  }
}

TEST(MapsTest, GoldenRampIsColouredExactly) {
  const Goldens goldens("maps");
  FloatGreyImage depth;
  depth.pixels = goldens.Floats("spectral/depth");
  depth.size = {static_cast<int>(depth.pixels.size()), 1};
  EXPECT_EQ(ColourDepth(depth).pixels, goldens.Bytes("spectral/colour_u8"));
}

TEST(MapsTest, GoldenMapsBecomeDepthAndColours) {
  const Goldens goldens("maps");
  for (const char* name : {"depth_plain", "depth_small"}) {
    SCOPED_TRACE(name);
    const std::string prefix = std::string(name) + "/";
    const FloatGreyImage depth = DepthOf(goldens.Decoded(prefix + "decoded"));
    const std::vector<float> golden = goldens.Floats(prefix + "depth");
    ASSERT_EQ(depth.pixels.size(), golden.size());
    for (size_t i = 0; i < golden.size(); ++i) {
      ASSERT_NEAR(depth.pixels[i], golden[i], 2e-6) << i;
    }
    const RgbImage colours = ColourDepth({depth.size, golden});
    EXPECT_EQ(colours.pixels, goldens.Bytes(prefix + "colour_u8"));
  }
}

TEST(MapsTest, GoldenSegmentationsBecomeBytes) {
  const Goldens goldens("maps");
  for (const char* name : {"segmentation_plain", "segmentation_small"}) {
    SCOPED_TRACE(name);
    const std::string prefix = std::string(name) + "/";
    const RgbImage map = ToBytes(goldens.Decoded(prefix + "decoded"));
    const RgbImage golden = goldens.Rgb(prefix + "map_u8");
    EXPECT_EQ(map.size, golden.size);
    EXPECT_EQ(map.pixels, golden.pixels);
  }
}

TEST(MapsTest, BytesAreTruncatedNotRounded) {
  const FloatRgbImage image{{1, 1}, {0.999f, 1.0f, 0.5f}};
  EXPECT_EQ(ToBytes(image).pixels, (std::vector<uint8_t>{254, 255, 127}));
}

TEST(MapsTest, ValuesOutOfRangeMeetTheEndsOfTheTable) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const FloatGreyImage depth{{4, 1}, {-3.0f, nan, 1.0f, 1e30f}};
  const RgbImage image = ColourDepth(depth);
  const auto& table = SpectralTable();
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(image.pixels[c], table[0][c]);
    EXPECT_EQ(image.pixels[3 + c], table[0][c]);
    EXPECT_EQ(image.pixels[6 + c], table[255][c]);
    EXPECT_EQ(image.pixels[9 + c], table[255][c]);
  }
}

TEST(MapsTest, NearIsDarkRedAndFarIsViolet) {
  const RgbImage image = ColourDepth({{2, 1}, {0.0f, 1.0f}});
  EXPECT_GT(image.pixels[0], 2 * image.pixels[1]);  // red over green
  EXPECT_LT(image.pixels[0], 200);                  // dark
  EXPECT_GT(image.pixels[5], image.pixels[4]);      // blue over green
  EXPECT_GT(image.pixels[3], image.pixels[4]);      // red over green
}

}  // namespace
}  // namespace cooper::image
