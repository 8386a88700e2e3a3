#include "model/image/png_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/image/compose.h"
#include "tests/model/image/png_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace cooper::image {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

constexpr Size kSize = {13, 9};  // not a multiple of anything in Adam7

// A sample of any depth that depends on place and channel.
uint32_t Sample(int bit_depth, int x, int y, int c) {
  const auto mixed = static_cast<uint32_t>(x * 4099 + y * 919 + c * 20011);
  return mixed & ((1u << bit_depth) - 1);
}

PngSpec SpecOf(int colour_type, int bit_depth, bool interlaced) {
  PngSpec spec;
  spec.size = kSize;
  spec.colour_type = colour_type;
  spec.bit_depth = bit_depth;
  spec.interlaced = interlaced;
  spec.sample = [bit_depth](int x, int y, int c) {
    return Sample(bit_depth, x, y, c);
  };
  return spec;
}

// The sample as 8 bits: low depths are spread over the range, 16 bits keep
// their high byte.
uint8_t ToByte(uint32_t sample, int bit_depth) {
  if (bit_depth == 16) return static_cast<uint8_t>(sample >> 8);
  return static_cast<uint8_t>(sample * 255 / ((1u << bit_depth) - 1));
}

// Calls pixel(x, y), which gives R G B A, for the picture of kSize.
template <typename Pixel>
RgbImage Expected(Pixel pixel) {
  std::vector<uint8_t> rgba;
  for (int y = 0; y < kSize.height; ++y) {
    for (int x = 0; x < kSize.width; ++x) {
      for (int value : pixel(x, y)) rgba.push_back(static_cast<uint8_t>(value));
    }
  }
  return ComposeOnWhite(kSize, rgba);
}

struct Layout {
  int colour_type;
  int bit_depth;
  bool interlaced;
};

class PngLayoutTest : public ::testing::TestWithParam<Layout> {
 protected:
  int Byte(int x, int y, int c) const {
    const int depth = GetParam().bit_depth;
    return ToByte(Sample(depth, x, y, c), depth);
  }
};

TEST_P(PngLayoutTest, DecodesToRgb) {
  const auto [colour_type, bit_depth, interlaced] = GetParam();
  PngSpec spec = SpecOf(colour_type, bit_depth, interlaced);
  std::string palette;
  for (int i = 0; i < 1 << std::min(bit_depth, 8); ++i) {
    palette += {static_cast<char>(i), static_cast<char>(255 - i),
                static_cast<char>(i * 7)};
  }
  if (colour_type == kPngPalette) spec.chunks = {{"PLTE", palette}};
  const RgbImage expected = Expected([&](int x, int y) -> std::vector<int> {
    const int index = static_cast<int>(Sample(bit_depth, x, y, 0));
    switch (colour_type) {
      case kPngPalette:
        return {index, 255 - index, index * 7, 255};
      case kPngRgb:
        return {Byte(x, y, 0), Byte(x, y, 1), Byte(x, y, 2), 255};
      case kPngRgba:
        return {Byte(x, y, 0), Byte(x, y, 1), Byte(x, y, 2), Byte(x, y, 3)};
      case kPngGreyAlpha:
        return {Byte(x, y, 0), Byte(x, y, 0), Byte(x, y, 0), Byte(x, y, 1)};
      default:
        return {Byte(x, y, 0), Byte(x, y, 0), Byte(x, y, 0), 255};
    }
  });
  ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodePng(BuildPng(spec), {}));
  EXPECT_EQ(image.size, kSize);
  EXPECT_EQ(image.pixels, expected.pixels);
}

std::vector<Layout> AllLayouts() {
  std::vector<Layout> layouts;
  for (bool interlaced : {false, true}) {
    for (int depth : {1, 2, 4, 8, 16}) {
      layouts.push_back({kPngGrey, depth, interlaced});
      if (depth <= 8) layouts.push_back({kPngPalette, depth, interlaced});
      if (depth < 8) continue;
      layouts.push_back({kPngRgb, depth, interlaced});
      layouts.push_back({kPngGreyAlpha, depth, interlaced});
      layouts.push_back({kPngRgba, depth, interlaced});
    }
  }
  return layouts;
}

INSTANTIATE_TEST_SUITE_P(All, PngLayoutTest, ::testing::ValuesIn(AllLayouts()),
                         [](const ::testing::TestParamInfo<Layout>& param) {
                           return "Type" +
                                  std::to_string(param.param.colour_type) +
                                  "Depth" +
                                  std::to_string(param.param.bit_depth) +
                                  (param.param.interlaced ? "Interlaced" : "");
                         });

TEST(PngDecoderTest, TransparentPaletteEntriesAreComposed) {
  PngSpec spec = SpecOf(kPngPalette, 2, false);
  spec.chunks = {{"PLTE", "abcdefghijkl"},
                 {"tRNS", std::string("\x00\x80\xff", 3)}};
  const RgbImage expected = Expected([](int x, int y) -> std::vector<int> {
    const int index = static_cast<int>(Sample(2, x, y, 0));
    const int alphas[] = {0, 128, 255, 255};
    const int red = 'a' + 3 * index;
    return {red, red + 1, red + 2, alphas[index]};
  });
  ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodePng(BuildPng(spec), {}));
  EXPECT_EQ(image.pixels, expected.pixels);
}

TEST(PngDecoderTest, ATransparentGreyBecomesWhite) {
  PngSpec spec = SpecOf(kPngGrey, 4, true);
  spec.chunks = {{"tRNS", BigEndian(5, 2)}};
  const RgbImage expected = Expected([](int x, int y) -> std::vector<int> {
    const uint32_t sample = Sample(4, x, y, 0);
    const int grey = ToByte(sample, 4);
    return {grey, grey, grey, sample == 5 ? 0 : 255};
  });
  ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodePng(BuildPng(spec), {}));
  EXPECT_EQ(image.pixels, expected.pixels);
}

TEST(PngDecoderTest, ATransparentColourBecomesWhite) {
  PngSpec spec = SpecOf(kPngRgb, 8, false);
  std::string key;
  for (int c = 0; c < 3; ++c) key += BigEndian(Sample(8, 3, 4, c), 2);
  spec.chunks = {{"tRNS", key}};
  ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodePng(BuildPng(spec), {}));
  const size_t keyed = RedAt(kSize, 3, 4);
  EXPECT_EQ(image.pixels[keyed], 255);
  EXPECT_EQ(image.pixels[keyed + 1], 255);
  EXPECT_EQ(image.pixels[keyed + 2], 255);
  EXPECT_EQ(image.pixels[keyed + 3], ToByte(Sample(8, 4, 4, 0), 8));
}

TEST(PngDecoderTest, OfAnAnimationTheDefaultImageIsTaken) {
  PngSpec spec = SpecOf(kPngRgb, 8, false);
  const std::string plain = BuildPng(spec);
  spec.chunks = {{"acTL", BigEndian(2, 4) + BigEndian(0, 4)}};
  std::string animated = BuildPng(spec);
  animated.insert(animated.size() - 12,
                  PngChunk("fdAT", BigEndian(1, 4) + "frame"));
  ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodePng(animated, {}));
  ASSERT_OK_AND_ASSIGN(const RgbImage expected, DecodePng(plain, {}));
  EXPECT_EQ(image.pixels, expected.pixels);
}

TEST(PngDecoderTest, GammaAndProfilesAreIgnored) {
  PngSpec spec = SpecOf(kPngRgb, 8, false);
  ASSERT_OK_AND_ASSIGN(const RgbImage plain, DecodePng(BuildPng(spec), {}));
  spec.chunks = {{"gAMA", BigEndian(22222, 4)},
                 {"iCCP", std::string("p\0\0", 3) + "not a profile"}};
  ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodePng(BuildPng(spec), {}));
  EXPECT_EQ(image.pixels, plain.pixels);
}

class CorruptPngTest : public ::testing::Test {
 protected:
  void ExpectCorrupt(const std::string& file, const std::string& words) {
    const absl::StatusOr<RgbImage> image = DecodePng(file, {});
    EXPECT_THAT(image,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
    EXPECT_EQ(RejectionOf(image.status()), Rejection::kCorrupt);
  }
  std::string good_ = BuildPng(SpecOf(kPngRgb, 8, false));
};

TEST_F(CorruptPngTest, EveryChangedByteOfThePixelsIsSeen) {
  const size_t data = good_.find("IDAT") + 4;
  for (size_t at = data; at + 16 < good_.size(); ++at) {
    std::string file = good_;
    file[at] = static_cast<char>(file[at] ^ 0x20);
    ExpectCorrupt(file, "PNG");
  }
}

TEST_F(CorruptPngTest, BadDeflateDataWithRightChecksumsIsSeen) {
  const std::string header = PngHeader(13, 9);
  const std::string end = PngChunk("IEND", "");
  ExpectCorrupt(header + PngChunk("IDAT", "no zlib stream at all") + end,
                "corrupt PNG");
  // The rows end early; one has 40 bytes.
  ExpectCorrupt(header + PngChunk("IDAT", Deflate(std::string(200, 0))) + end,
                "corrupt PNG");
  // All rows are there, the stream's own checksum is wrong.
  std::string stream = Deflate(std::string(360, 0));
  stream.back() = static_cast<char>(stream.back() ^ 1);
  ExpectCorrupt(header + PngChunk("IDAT", stream) + end, "corrupt PNG");
}

TEST_F(CorruptPngTest, StructuralFaultsAreNamed) {
  const std::string end = PngChunk("IEND", "");
  ExpectCorrupt(PngHeader(13, 9) + end, "no IDAT");
  ExpectCorrupt(PngHeader(13, 9).substr(0, 20), "truncated");
  ExpectCorrupt(good_.substr(0, good_.size() - 13), "truncated");
  ExpectCorrupt(std::string("\x89PNG\r\n\x1a\n", 8) +
                    PngChunk("IDAT", std::string(20, 'x')),
                "IHDR");
  ExpectCorrupt(PngHeader(13, 9, 3) + PngChunk("IDAT", "x") + end, "IHDR");
  ExpectCorrupt(PngHeader(13, 9, 8, 5) + PngChunk("IDAT", "x") + end, "IHDR");
  ExpectCorrupt(PngHeader(13, 9, 8, kPngPalette) + PngChunk("IDAT", "x") + end,
                "PLTE");
}

}  // namespace
}  // namespace cooper::image
