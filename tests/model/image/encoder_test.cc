#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "model/image/codec.h"
#include "tests/model/image/png_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace cooper::image {
namespace {

using ::cooper::testing::StatusIs;

TEST(EncoderTest, PngComesBackExactly) {
  for (const Size size : {Size{1, 1}, Size{96, 80}, Size{257, 3}}) {
    const RgbImage image = Gradient(size);
    ASSERT_OK_AND_ASSIGN(const std::string file, EncodePng(image));
    ASSERT_OK_AND_ASSIGN(const RgbImage decoded, DecodeImage(file, {}));
    EXPECT_EQ(decoded.size, size);
    EXPECT_EQ(decoded.pixels, image.pixels);
  }
}

TEST(EncoderTest, Png16IsGreyOfSixteenBits) {
  ASSERT_OK_AND_ASSIGN(const std::string file, EncodePng16({{1, 1}, {0.5f}}));
  EXPECT_EQ(file[24], 16);  // bits a sample
  EXPECT_EQ(file[25], 0);   // grey
}

TEST(EncoderTest, Png16RoundsToTheNearestLevelAndClamps) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::pair<float, uint32_t> cases[] = {
      {0.0f, 0},
      {1.0f, 65535},
      {-1.0f, 0},
      {7.0f, 65535},
      {nan, 0},
      {0.5f, 32768},
      {static_cast<float>(1000.4 / 65535), 1000},
      {static_cast<float>(1000.6 / 65535), 1001}};
  for (const auto& [value, level] : cases) {
    ASSERT_OK_AND_ASSIGN(const std::string file,
                         EncodePng16({{1, 1}, {value}}));
    // Behind the filter byte, which changes nothing in a first pixel.
    EXPECT_EQ(PngPixelData(file).substr(1), BigEndian(level, 2)) << value;
  }
}

TEST(EncoderTest, JpegIsCloseToThePicture) {
  RgbImage image{{64, 48}, {}};
  for (int i = 0; i < 64 * 48; ++i) {
    const auto value = static_cast<uint8_t>(i % 64 * 3);
    image.pixels.insert(image.pixels.end(), {value, value, 90});
  }
  ASSERT_OK_AND_ASSIGN(const std::string file, EncodeJpeg(image, 95));
  ASSERT_OK_AND_ASSIGN(const RgbImage decoded, DecodeImage(file, {}));
  ASSERT_EQ(decoded.size, image.size);
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    ASSERT_LE(std::abs(decoded.pixels[i] - image.pixels[i]), 12) << i;
  }
  ASSERT_OK_AND_ASSIGN(const std::string small, EncodeJpeg(image, 20));
  EXPECT_LT(small.size(), file.size());
}

TEST(EncoderTest, LargeJpegPassesTheOutputBuffer) {
  const RgbImage image = Gradient({700, 500});
  ASSERT_OK_AND_ASSIGN(const std::string file, EncodeJpeg(image, 100));
  EXPECT_GT(file.size(), 100000u);
  EXPECT_OK(DecodeImage(file, {}));
}

TEST(EncoderTest, RefusesWhatIsNoPicture) {
  const RgbImage empty;
  const RgbImage torn{{4, 4}, std::vector<uint8_t>(5)};
  const RgbImage wide{{70000, 1}, std::vector<uint8_t>(210000)};
  const auto is_internal = StatusIs(absl::StatusCode::kInternal, ::testing::_);
  EXPECT_THAT(EncodePng(empty), is_internal);
  EXPECT_THAT(EncodePng(torn), is_internal);
  EXPECT_THAT(EncodePng16({}), is_internal);
  EXPECT_THAT(EncodeJpeg(empty, 90), is_internal);
  EXPECT_THAT(EncodeJpeg(torn, 90), is_internal);
  EXPECT_THAT(EncodeJpeg(wide, 90), is_internal);  // JPEG ends at 65500
}

}  // namespace
}  // namespace cooper::image
