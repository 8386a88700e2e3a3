// Flaws of PNG files that tools write and viewers ignore, and those that lose
// pixels.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "model/image/png_decoder.h"
#include "tests/model/image/png_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace cooper::image {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

using Files = std::vector<std::pair<std::string, std::string>>;

constexpr Size kSize = {13, 9};
constexpr size_t kHeaderEnd = 33;  // signature and IHDR

uint32_t Sample(int x, int y, int c) {
  return static_cast<uint32_t>(x * 41 + y * 19 + c * 77) & 0xff;
}

class PngFlawsTest : public ::testing::Test {
 protected:
  PngFlawsTest() {
    spec_.size = kSize;
    spec_.sample = Sample;
    good_ = BuildPng(spec_);
    header_ = good_.substr(0, kHeaderEnd);
    pixels_ = PngPixelData(good_);
    data_ = Deflate(pixels_);
    expected_ = DecodePng(good_, {})->pixels;
  }

  // The file with `chunks` before its pixels.
  std::string Before(const std::string& chunks) const {
    return header_ + chunks + PngChunk("IDAT", data_) + end_;
  }
  // The file with `chunks` in place of its pixels.
  std::string With(const std::string& chunks) const {
    return header_ + chunks + end_;
  }
  static std::string WithBadChecksum(const std::string& type,
                                     const std::string& data) {
    std::string chunk = PngChunk(type, data);
    chunk.back() = static_cast<char>(chunk.back() ^ 1);
    return chunk;
  }
  void ExpectDecoded(const Files& files) const {
    for (const auto& [name, file] : files) {
      SCOPED_TRACE(name);
      ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodePng(file, {}));
      EXPECT_EQ(image.size, kSize);
      EXPECT_EQ(image.pixels, expected_);
    }
  }
  void ExpectRefused(const Files& files) const {
    for (const auto& [name, file] : files) {
      SCOPED_TRACE(name);
      const absl::StatusOr<RgbImage> image = DecodePng(file, {});
      EXPECT_THAT(image, StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr("PNG: ")));
      EXPECT_EQ(RejectionOf(image.status()), Rejection::kCorrupt);
    }
  }

  PngSpec spec_;
  std::string good_;
  std::string header_;
  std::string pixels_;  // rows with their filter bytes
  std::string data_;    // as a zlib stream
  std::vector<uint8_t> expected_;
  const std::string end_ = PngChunk("IEND", "");
};

TEST_F(PngFlawsTest, FlawsOfAncillaryChunksAreIgnored) {
  const std::string bytes(32, '\xff');
  ExpectDecoded({
      {"checksum of a text", Before(WithBadChecksum("tEXt", "key"))},
      {"checksum of a time", Before(WithBadChecksum("tIME", "abcdefg"))},
      {"checksum of an orientation",
       Before(WithBadChecksum("eXIf", ExifBlock(6, true)))},
      {"orientation that is none", Before(PngChunk("eXIf", "not TIFF"))},
      {"compressed text that is not",
       Before(PngChunk("zTXt", std::string("k\0\0not zlib", 11)))},
      {"profile that is not",
       Before(PngChunk("iCCP", std::string("k\0\0not zlib", 11)))},
      {"text without an end", Before(PngChunk("iTXt", "key"))},
      {"gamma of zero", Before(PngChunk("gAMA", BigEndian(0, 4)))},
      {"short gamma", Before(PngChunk("gAMA", "g"))},
      {"colours outside of all", Before(PngChunk("cHRM", bytes))},
      {"two sRGB", Before(PngChunk("sRGB", bytes) + PngChunk("sRGB", bytes))},
      {"significant bits of 255", Before(PngChunk("sBIT", bytes))},
      {"long background", Before(PngChunk("bKGD", bytes))},
      {"no unit", Before(PngChunk("pHYs", ""))},
      {"unknown chunk", Before(PngChunk("abCD", bytes))},
      {"bad name", Before(PngChunk("t\x01xt", bytes))},
  });
}

TEST_F(PngFlawsTest, APaletteThatNoPixelUsesIsIgnored) {
  ExpectDecoded({
      {"suggested", Before(PngChunk("PLTE", "abcdef"))},
      {"cut", Before(PngChunk("PLTE", "abcd"))},
      {"checksum", Before(WithBadChecksum("PLTE", "abcdef"))},
      {"twice", Before(PngChunk("PLTE", "abc") + PngChunk("PLTE", "def"))},
  });
}

TEST_F(PngFlawsTest, WhatFollowsThePixelsIsIgnored) {
  const std::string whole = header_ + PngChunk("IDAT", data_);
  ExpectDecoded({
      {"no end", whole},
      {"cut end", good_.substr(0, good_.size() - 5)},
      {"checksum of the end", whole + WithBadChecksum("IEND", "")},
      {"end with data", whole + PngChunk("IEND", "abc")},
      {"bytes behind the end", good_ + std::string(999, 'x')},
      {"another file behind the end", good_ + good_},
      {"zeros for the end", whole + std::string(64, '\0')},
      {"text for the end", whole + "<html>not found</html>"},
      {"cut chunk", whole + PngChunk("tEXt", "key").substr(0, 9)},
      {"checksum of a later chunk",
       whole + WithBadChecksum("tEXt", "a") + end_},
      {"late colour key",
       whole + PngChunk("tRNS", pixels_.substr(1, 6)) + end_},
  });
}

TEST_F(PngFlawsTest, DataBeyondTheLastRowIsIgnored) {
  ExpectDecoded({
      {"further rows", With(PngChunk("IDAT", Deflate(pixels_ + pixels_)))},
      {"bytes behind the stream", With(PngChunk("IDAT", data_ + "abcdef"))},
      {"further chunk",
       With(PngChunk("IDAT", data_) + PngChunk("IDAT", "abcdef"))},
      {"empty chunks",
       With(PngChunk("IDAT", "") + PngChunk("IDAT", data_.substr(0, 20)) +
            PngChunk("IDAT", "") + PngChunk("IDAT", data_.substr(20)))},
  });
}

TEST_F(PngFlawsTest, LostPixelsAreRefused) {
  std::string adler = data_;
  adler.back() = static_cast<char>(adler.back() ^ 1);
  const std::string half = data_.substr(0, data_.size() / 2);
  const std::string rest = data_.substr(data_.size() / 2);
  ExpectRefused({
      {"cut data", (header_ + PngChunk("IDAT", data_))
                       .substr(0, header_.size() + 8 + data_.size() - 9)},
      {"end within the stream", With(PngChunk("IDAT", half))},
      {"file ends between two chunks", header_ + PngChunk("IDAT", half)},
      {"file ends in the header of the second",
       header_ + PngChunk("IDAT", half) + PngChunk("IDAT", rest).substr(0, 6)},
      {"file ends in the second",
       header_ + PngChunk("IDAT", half) + PngChunk("IDAT", rest).substr(0, 20)},
      {"chunk between the data",
       With(PngChunk("IDAT", half) + PngChunk("tEXt", "key") +
            PngChunk("IDAT", rest))},
      {"rows missing", With(PngChunk("IDAT", Deflate(pixels_.substr(0, 200))))},
      {"checksum of the data", With(WithBadChecksum("IDAT", data_))},
      {"checksum of the first part",
       With(WithBadChecksum("IDAT", half) + PngChunk("IDAT", rest))},
      {"checksum of the stream", With(PngChunk("IDAT", adler))},
      {"unknown critical chunk", Before(PngChunk("ABCD", "x"))},
      {"two headers", header_ + good_.substr(8)},
  });
}

// A colour key whose value is lost would leave transparent pixels opaque.
TEST_F(PngFlawsTest, AFlawOfTheTransparencyIsRefused) {
  const std::string key = BigEndian(Sample(3, 4, 0), 2) +
                          BigEndian(Sample(3, 4, 1), 2) +
                          BigEndian(Sample(3, 4, 2), 2);
  ExpectRefused({
      {"checksum", Before(WithBadChecksum("tRNS", key))},
      {"cut", Before(PngChunk("tRNS", key.substr(0, 4)))},
      {"twice", Before(PngChunk("tRNS", key) + PngChunk("tRNS", key))},
  });
}

TEST_F(PngFlawsTest, AColourKeyBesideAlphaIsIgnored) {
  spec_.colour_type = kPngRgba;
  expected_ = DecodePng(BuildPng(spec_), {})->pixels;
  spec_.chunks = {{"tRNS", std::string(6, '\0')}};
  ExpectDecoded({{"rgba", BuildPng(spec_)}});
}

TEST_F(PngFlawsTest, PaletteIndicesWithoutAnEntryAreBlack) {
  spec_.colour_type = kPngPalette;
  spec_.sample = [](int x, int, int) { return static_cast<uint32_t>(x % 3); };
  spec_.chunks = {{"PLTE", "abcdef"}};
  ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodePng(BuildPng(spec_), {}));
  for (int x = 0; x < kSize.width; ++x) {
    const int expected = x % 3 == 2 ? 0 : 'a' + 3 * (x % 3);
    EXPECT_EQ(image.pixels[RedAt(kSize, x, 0)], expected) << x;
  }
}

}  // namespace
}  // namespace cooper::image
