#include "model/image/webp_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "model/image/compose.h"
#include "tests/model/image/png_fixtures.h"
#include "tests/model/image/webp_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace cooper::image {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

RgbImage Plain(Size size, uint8_t red, uint8_t green, uint8_t blue) {
  RgbImage image{size, {}};
  for (int i = 0; i < size.width * size.height; ++i) {
    image.pixels.insert(image.pixels.end(), {red, green, blue});
  }
  return image;
}

TEST(WebpDecoderTest, LosslessComesBackExactly) {
  const RgbImage image = Gradient({61, 43});
  ASSERT_OK_AND_ASSIGN(const RgbImage decoded,
                       DecodeWebp(BuildLosslessWebp(image), {}));
  EXPECT_EQ(decoded.size, image.size);
  EXPECT_EQ(decoded.pixels, image.pixels);
}

TEST(WebpDecoderTest, LossyIsCloseToThePicture) {
  const RgbImage image = Plain({33, 20}, 200, 100, 50);
  ASSERT_OK_AND_ASSIGN(const RgbImage decoded,
                       DecodeWebp(BuildLossyWebp(image, 95), {}));
  ASSERT_EQ(decoded.size, image.size);
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    ASSERT_LE(std::abs(decoded.pixels[i] - image.pixels[i]), 6) << i;
  }
}

TEST(WebpDecoderTest, AlphaIsComposedOnWhite) {
  const Size size = {16, 16};
  std::vector<uint8_t> rgba;
  for (int i = 0; i < 16 * 16; ++i) {
    rgba.insert(rgba.end(), {static_cast<uint8_t>(i), 60, 200,
                             static_cast<uint8_t>(255 - i)});
  }
  ASSERT_OK_AND_ASSIGN(const RgbImage decoded,
                       DecodeWebp(BuildAlphaWebp(size, rgba), {}));
  EXPECT_EQ(decoded.pixels, ComposeOnWhite(size, rgba).pixels);
}

TEST(WebpDecoderTest, OfAnAnimationTheFirstFrameIsTakenOnWhite) {
  const RgbImage red = Plain({4, 6}, 250, 10, 20);
  const RgbImage blue = Plain({10, 12}, 0, 0, 255);
  ASSERT_OK_AND_ASSIGN(
      const RgbImage decoded,
      DecodeWebp(BuildAnimation({10, 12}, red, 2, 4, blue), {}));
  ASSERT_EQ(decoded.size, (Size{10, 12}));
  for (int y = 0; y < 12; ++y) {
    for (int x = 0; x < 10; ++x) {
      const bool inside = x >= 2 && x < 6 && y >= 4 && y < 10;
      const size_t at = RedAt(decoded.size, x, y);
      ASSERT_EQ(decoded.pixels[at], inside ? 250 : 255) << x << " " << y;
      ASSERT_EQ(decoded.pixels[at + 1], inside ? 10 : 255) << x << " " << y;
    }
  }
}

TEST(WebpDecoderTest, AFrameOutsideOfTheCanvasIsRefused) {
  const RgbImage red = Plain({4, 6}, 250, 10, 20);
  EXPECT_THAT(
      DecodeWebp(BuildAnimation({10, 12}, red, 8, 4, red), {}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("corrupt WebP")));
}

TEST(WebpDecoderTest, WhatIsBesideThePictureIsIgnored) {
  const RgbImage image = Gradient({61, 43});
  const std::string webp = BuildLosslessWebp(image);
  const std::string picture = webp.substr(12);
  const auto extended = [&](int flags, const std::string& before,
                            const std::string& behind) {
    return RiffFile(ExtendedHeader(flags, image.size) + before + picture +
                    behind);
  };
  const std::pair<const char*, std::string> files[] = {
      {"bytes behind the file", webp + std::string(999, 'x')},
      {"another file behind it", webp + webp},
      {"profile that is none", extended(0x20, RiffChunk("ICCP", "none"), "")},
      {"EXIF that is none", extended(0x08, "", RiffChunk("EXIF", "none"))},
      {"XMP that is none", extended(0x04, "", RiffChunk("XMP ", "<"))},
      {"unknown chunk", extended(0, RiffChunk("ABCD", "xyz"), "")},
      {"flags without their chunks", extended(0x2c, "", "")},
  };
  for (const auto& [name, file] : files) {
    SCOPED_TRACE(name);
    ASSERT_OK_AND_ASSIGN(const RgbImage decoded, DecodeWebp(file, {}));
    EXPECT_EQ(decoded.pixels, image.pixels);
  }
}

TEST(WebpDecoderTest, ManyChunksAreRefusedBeforeTheyAreParsed) {
  const RgbImage image = Plain({2, 2}, 1, 2, 3);
  std::string chunks;
  for (int i = 0; i < 20000; ++i) chunks += RiffChunk("JUNK", "");
  const std::string file =
      RiffFile(ExtendedHeader(0, image.size) +
               BuildLosslessWebp(image).substr(12) + chunks);
  const absl::StatusOr<RgbImage> refused = DecodeWebp(file, {});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("chunks")));
  EXPECT_EQ(RejectionOf(refused.status()), Rejection::kChunk);
}

TEST(WebpDecoderTest, CorruptPixelsAreRefused) {
  std::string lossless = BuildLosslessWebp(Gradient({61, 43}));
  // Zero bits are a code that no table of this file has.
  for (size_t i = 30; i < 60; ++i) lossless[i] = '\xff';
  EXPECT_THAT(DecodeWebp(lossless, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("WebP")));
  std::string no_frame = RiffFile(ExtendedHeader(0, {5, 5}));
  EXPECT_THAT(DecodeWebp(no_frame, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("WebP")));
}

}  // namespace
}  // namespace cooper::image
