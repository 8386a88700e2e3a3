#include "model/image/jpeg_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "model/image/compose.h"
#include "tests/model/image/jpeg_fixtures.h"
#include "tests/model/image/png_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace cooper::image {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr Size kSize = {45, 37};

// A smooth ramp per channel, which quality 100 keeps within a few levels.
std::vector<uint8_t> Ramp(int channels) {
  std::vector<uint8_t> pixels;
  for (int y = 0; y < kSize.height; ++y) {
    for (int x = 0; x < kSize.width; ++x) {
      for (int c = 0; c < channels; ++c) {
        pixels.push_back(
            static_cast<uint8_t>(40 + x * (c + 1) + y * (4 - c) / 2));
      }
    }
  }
  return pixels;
}

JpegSpec SpecOf(JpegColour colour, int channels) {
  JpegSpec spec;
  spec.size = kSize;
  spec.colour = colour;
  spec.pixels = Ramp(channels);
  return spec;
}

int LargestDifference(const std::vector<uint8_t>& a,
                      const std::vector<uint8_t>& b) {
  int largest = a.size() == b.size() ? 0 : 256;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, std::abs(a[i] - b[i]));
  }
  return largest;
}

TEST(JpegDecoderTest, DecodesRgbHoweverItIsStored) {
  for (JpegColour colour : {JpegColour::kYcc, JpegColour::kRgb}) {
    const JpegSpec spec = SpecOf(colour, 3);
    ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodeJpeg(BuildJpeg(spec), {}));
    EXPECT_EQ(image.size, kSize);
    EXPECT_LE(LargestDifference(image.pixels, spec.pixels), 4);
  }
}

TEST(JpegDecoderTest, GreyGetsThreeEqualChannels) {
  const JpegSpec spec = SpecOf(JpegColour::kGrey, 1);
  ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodeJpeg(BuildJpeg(spec), {}));
  EXPECT_LE(
      LargestDifference(image.pixels, GreyToRgb(kSize, spec.pixels).pixels), 3);
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    ASSERT_EQ(image.pixels[i], image.pixels[i + 1]);
    ASSERT_EQ(image.pixels[i], image.pixels[i + 2]);
  }
}

TEST(JpegDecoderTest, FourComponentsAreAdobesInvertedInk) {
  for (JpegColour colour : {JpegColour::kCmyk, JpegColour::kYcck}) {
    const JpegSpec spec = SpecOf(colour, 4);
    std::vector<uint8_t> expected(spec.pixels.size() / 4 * 3);
    InvertedCmykToRgb(spec.pixels.data(), spec.pixels.size() / 4,
                      expected.data());
    ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodeJpeg(BuildJpeg(spec), {}));
    EXPECT_LE(LargestDifference(image.pixels, expected), 4);
  }
}

TEST(JpegDecoderTest, CodingDoesNotChangeThePixels) {
  JpegSpec spec = SpecOf(JpegColour::kYcc, 3);
  ASSERT_OK_AND_ASSIGN(const RgbImage plain, DecodeJpeg(BuildJpeg(spec), {}));
  spec.progressive = true;
  ASSERT_OK_AND_ASSIGN(const RgbImage progressive,
                       DecodeJpeg(BuildJpeg(spec), {}));
  EXPECT_EQ(progressive.pixels, plain.pixels);
  spec.progressive = false;
  spec.restart_rows = 1;
  ASSERT_OK_AND_ASSIGN(const RgbImage restarted,
                       DecodeJpeg(BuildJpeg(spec), {}));
  EXPECT_EQ(restarted.pixels, plain.pixels);
  spec.restart_rows = 0;
  spec.arithmetic = true;
  ASSERT_OK_AND_ASSIGN(const RgbImage arithmetic,
                       DecodeJpeg(BuildJpeg(spec), {}));
  EXPECT_EQ(arithmetic.pixels, plain.pixels);
}

TEST(JpegDecoderTest, BytesBehindThePictureAreIgnored) {
  const std::string file = BuildJpeg(SpecOf(JpegColour::kYcc, 3));
  ASSERT_OK_AND_ASSIGN(const RgbImage plain, DecodeJpeg(file, {}));
  // As in multi-picture files.
  ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodeJpeg(file + file, {}));
  EXPECT_EQ(image.pixels, plain.pixels);
}

TEST(JpegDecoderTest, ManyScansAreRefused) {
  JpegSpec spec = SpecOf(JpegColour::kGrey, 1);
  spec.many_scans = true;
  const std::string file = BuildJpeg(spec);
  const absl::StatusOr<RgbImage> refused = DecodeJpeg(file, {});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("scans"), HasSubstr("100"))));
  EXPECT_EQ(RejectionOf(refused.status()), Rejection::kScans);
  DecodeLimits limits;
  limits.max_jpeg_scans = 253;
  EXPECT_OK(DecodeJpeg(file, limits));
  limits.max_jpeg_scans = 252;
  EXPECT_EQ(RejectionOf(DecodeJpeg(file, limits).status()), Rejection::kScans);
}

class CorruptJpegTest : public ::testing::Test {
 protected:
  // The frame header's data: precision, height, width, components.
  size_t Frame(const std::string& file) { return file.find("\xff\xc0") + 4; }
  void ExpectRefused(const std::string& file, Rejection rejection,
                     const std::string& words) {
    const absl::StatusOr<RgbImage> image = DecodeJpeg(file, {});
    EXPECT_THAT(image,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
    EXPECT_EQ(RejectionOf(image.status()), rejection);
  }
  std::string good_ = BuildJpeg(SpecOf(JpegColour::kYcc, 3));
};

TEST_F(CorruptJpegTest, TwelveBitsAreRefusedByName) {
  good_[Frame(good_)] = 12;
  ExpectRefused(good_, Rejection::kFormat, "12 bits");
}

TEST_F(CorruptJpegTest, LosslessCodingIsRefusedByName) {
  good_[Frame(good_) - 3] = '\xc3';
  ExpectRefused(good_, Rejection::kFormat, "lossless");
}

TEST_F(CorruptJpegTest, TwoComponentsAreRefusedByName) {
  good_[Frame(good_) + 5] = 2;
  ExpectRefused(good_, Rejection::kFormat, "2 components");
}

TEST_F(CorruptJpegTest, ASecondFrameHeaderIsRefused) {
  const size_t frame = Frame(good_) - 4;
  const std::string segment = good_.substr(frame, 19);
  good_.insert(frame, segment);
  ExpectRefused(good_, Rejection::kCorrupt, "two frame headers");
}

TEST_F(CorruptJpegTest, InventedDataIsAnError) {
  // Half of the entropy-coded data is missing, the end marker is there: a
  // lenient decoder fills the rest with grey.
  const std::string cut = good_.substr(0, good_.size() * 3 / 4) + "\xff\xd9";
  ExpectRefused(cut, Rejection::kCorrupt, "corrupt JPEG");
}

TEST_F(CorruptJpegTest, ABadHuffmanTableIsRefused) {
  const size_t table = good_.find("\xff\xc4") + 5;
  for (size_t i = 0; i < 16; ++i) good_[table + i] = '\xff';
  ExpectRefused(good_, Rejection::kCorrupt, "corrupt JPEG");
}

TEST_F(CorruptJpegTest, HeadersWithoutAPictureAreRefused) {
  ExpectRefused("\xff\xd8\xff", Rejection::kCorrupt, "truncated");
  ExpectRefused("\xff\xd8\xff\xd9", Rejection::kCorrupt, "without a scan");
  ExpectRefused(std::string("\xff\xd8\xff\xda\0\2", 6), Rejection::kCorrupt,
                "no frame");
  ExpectRefused(std::string("\xff\xd8\xff\xe0\0\4abcd", 10),
                Rejection::kCorrupt, "truncated");
}

}  // namespace
}  // namespace cooper::image
