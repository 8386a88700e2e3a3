#include "model/image/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "tests/model/image/jpeg_fixtures.h"
#include "tests/model/image/png_fixtures.h"
#include "tests/model/image/webp_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace cooper::image {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr Size kSize = {57, 41};

// The same picture in every way of storing it.
std::vector<std::pair<std::string, std::string>> AllKinds() {
  const RgbImage image = Gradient(kSize);
  PngSpec interlaced;
  interlaced.size = kSize;
  interlaced.interlaced = true;
  interlaced.sample = [&image](int x, int y, int c) {
    return image.pixels[RedAt(kSize, x, y) + static_cast<size_t>(c)];
  };
  JpegSpec jpeg;
  jpeg.size = kSize;
  jpeg.pixels = image.pixels;
  JpegSpec progressive = jpeg;
  progressive.progressive = true;
  const std::string lossless = BuildLosslessWebp(image);
  return {{"png", *EncodePng(image)},
          {"interlaced png", BuildPng(interlaced)},
          {"jpeg", BuildJpeg(jpeg)},
          {"progressive jpeg", BuildJpeg(progressive)},
          {"jpeg with exif", WithExif(BuildJpeg(jpeg), ExifBlock(1, true))},
          {"lossless webp", lossless},
          {"lossy webp", BuildLossyWebp(image, 90)},
          {"extended webp", WithExifChunk(lossless, kSize, ExifBlock(1, true))},
          {"animated webp", BuildAnimation(kSize, image, 0, 0, image)}};
}

// A frame header inside of an otherwise empty JPEG.
std::string JpegHeader(int width, int height) {
  return std::string("\xff\xd8\xff\xc0\0\x11\x08", 7) +
         BigEndian(static_cast<uint32_t>(height), 2) +
         BigEndian(static_cast<uint32_t>(width), 2) +
         std::string("\x03\1\x11\0\2\x11\0\3\x11\0", 10) +
         std::string("\xff\xda\0\x0c\x03\1\0\2\0\3\0\0\x3f\0", 14) + "\x12\x34";
}

std::string PngWithTinyData(uint32_t width, uint32_t height) {
  return PngHeader(width, height) + PngChunk("IDAT", Deflate("tiny")) +
         PngChunk("IEND", "");
}

// The most memory that this process ever had, in KiB. What the tests below
// must not do would raise it by hundreds of MiB; sanitizers need some.
int64_t PeakMemory() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}
constexpr int64_t kMuchMemory = 65536;  // KiB

TEST(CodecTest, ProbeReadsTheHeaderAndDecodeTheSamePicture) {
  for (const auto& [name, file] : AllKinds()) {
    SCOPED_TRACE(name);
    ASSERT_OK_AND_ASSIGN(const ImageHeader header, ProbeImage(file, {}));
    EXPECT_EQ(header.size, kSize);
    ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodeImage(file, {}));
    EXPECT_EQ(image.size, kSize);
    EXPECT_EQ(image.pixels.size(), 57u * 41 * 3);
  }
}

// A cut that takes only what follows the pixels (JPEG's end marker, PNG's IEND
// chunk) loses none of them, and the picture is decoded; any other cut is
// refused, and never gives half a picture.
TEST(CodecTest, ACutFileGivesTheWholePictureOrNone) {
  for (const auto& [name, file] : AllKinds()) {
    SCOPED_TRACE(name);
    ASSERT_OK_AND_ASSIGN(const RgbImage whole, DecodeImage(file, {}));
    int decoded = 0;
    for (size_t bytes = 3; bytes < file.size(); ++bytes) {
      const auto image = DecodeImage(file.substr(0, bytes), {});
      if (!image.ok()) continue;
      ++decoded;
      ASSERT_EQ(image->pixels, whole.pixels) << bytes;
    }
    const bool is_png = absl::StrContains(name, "png");
    const bool is_jpeg = absl::StrContains(name, "jpeg");
    EXPECT_EQ(decoded, is_png ? 12 : is_jpeg ? 2 : 0);
  }
}

TEST(CodecTest, ACutFileNeverGivesAPicture) {
  for (const auto& [name, file] : AllKinds()) {
    for (size_t sixteenth = 0; sixteenth < 16; ++sixteenth) {
      SCOPED_TRACE(name + " " + std::to_string(sixteenth));
      const std::string cut = file.substr(0, file.size() * sixteenth / 16);
      const absl::StatusOr<RgbImage> image = DecodeImage(cut, {});
      if (sixteenth == 0) {
        EXPECT_EQ(RejectionOf(image.status()), Rejection::kFormat);
        continue;
      }
      EXPECT_THAT(image, StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr("truncated")));
      EXPECT_EQ(RejectionOf(image.status()), Rejection::kCorrupt);
    }
  }
}

TEST(CodecTest, TheProbeOfACutHeaderIsRefused) {
  for (const auto& [name, file] : AllKinds()) {
    SCOPED_TRACE(name);
    EXPECT_THAT(
        ProbeImage(file.substr(0, 18), {}),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("truncated")));
  }
}

TEST(CodecTest, HugeSidesAreRefusedFromTheHeader) {
  const int64_t before = PeakMemory();
  const std::string huge[] = {PngWithTinyData(40000, 40000),
                              PngWithTinyData(0x7fffffff, 0x7fffffff),
                              PngWithTinyData(0xffffffff, 0xfffffff0),
                              PngWithTinyData(1000001, 1000001),
                              JpegHeader(40000, 40000),
                              JpegHeader(65535, 65535)};
  for (const std::string& file : huge) {
    for (const absl::Status& status :
         {ProbeImage(file, {}).status(), DecodeImage(file, {}).status()}) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                   AllOf(HasSubstr("limit of a side"),
                                         HasSubstr("32768"))));
      EXPECT_EQ(RejectionOf(status), Rejection::kPixels);
    }
  }
  EXPECT_LT(PeakMemory() - before, kMuchMemory);
}

TEST(CodecTest, ARefusalByTheHeaderTakesNoTime) {
  const std::string file = PngWithTinyData(40000, 40000);
  constexpr int kTimes = 100;
  const std::clock_t start = std::clock();
  for (int i = 0; i < kTimes; ++i) EXPECT_FALSE(ProbeImage(file, {}).ok());
  const double seconds =
      static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  EXPECT_LT(seconds / kTimes, 2e-3);
}

TEST(CodecTest, ZeroSidesAreRefused) {
  for (const std::string& file :
       {PngWithTinyData(0, 5), PngWithTinyData(5, 0), PngWithTinyData(0, 0),
        JpegHeader(0, 8), JpegHeader(8, 0)}) {
    const absl::Status status = DecodeImage(file, {}).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("positive")));
    EXPECT_EQ(RejectionOf(status), Rejection::kPixels);
  }
}

TEST(CodecTest, ThePixelLimitNamesValueAndLimit) {
  DecodeLimits limits;
  limits.max_pixels = int64_t{kSize.width} * kSize.height;
  for (const auto& [name, file] : AllKinds()) {
    SCOPED_TRACE(name);
    limits.max_pixels = 2337;
    EXPECT_OK(DecodeImage(file, limits));
    limits.max_pixels = 2336;
    const absl::Status status = DecodeImage(file, limits).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr("2337"), HasSubstr("2336"))));
    EXPECT_EQ(RejectionOf(status), Rejection::kPixels);
    EXPECT_EQ(RejectionOf(ProbeImage(file, limits).status()),
              Rejection::kPixels);
  }
}

TEST(CodecTest, ThinStripsAreRefusedForTheirAspect) {
  for (const std::string& file :
       {PngWithTinyData(1, 1000000), PngWithTinyData(1000000, 1),
        PngWithTinyData(1, 100000), JpegHeader(65000, 2), JpegHeader(1, 201)}) {
    const absl::Status status = ProbeImage(file, {}).status();
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("aspect ratio"), HasSubstr("200"))));
    EXPECT_EQ(RejectionOf(status), Rejection::kAspect);
  }
  EXPECT_OK(ProbeImage(PngWithTinyData(1, 200), {}));
  EXPECT_OK(ProbeImage(PngWithTinyData(3000, 100), {}));
}

TEST(CodecTest, TheSmallestPictureIsFine) {
  const RgbImage dot{{1, 1}, {1, 2, 3}};
  ASSERT_OK_AND_ASSIGN(const std::string file, EncodePng(dot));
  ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodeImage(file, {}));
  EXPECT_EQ(image.pixels, dot.pixels);
}

TEST(CodecTest, CompressedTextAndProfilesAreNotExpanded) {
  // Some 256 KiB each.
  const std::string bomb = DeflateZeros(size_t{256} << 20);
  PngSpec spec;
  spec.size = {8, 8};
  spec.sample = [](int x, int y, int c) { return uint32_t(x * y + c); };
  spec.chunks = {{"zTXt", std::string("k\0\0", 3) + bomb},
                 {"iCCP", std::string("k\0\0", 3) + bomb},
                 {"iTXt", std::string("k\0\1\0\0\0", 6) + bomb}};
  const std::string file = BuildPng(spec);
  const int64_t before = PeakMemory();
  EXPECT_OK(DecodeImage(file, {}));
  EXPECT_LT(PeakMemory() - before, kMuchMemory);
}

TEST(CodecTest, AHundredThousandChunksAreSkipped) {
  PngSpec spec;
  spec.size = {8, 8};
  spec.sample = [](int x, int y, int c) { return uint32_t(x * y + c); };
  spec.chunks.assign(100000, {"tEXt", std::string("k\0v", 3)});
  const std::string file = BuildPng(spec);
  const int64_t before = PeakMemory();
  EXPECT_OK(DecodeImage(file, {}));
  EXPECT_LT(PeakMemory() - before, kMuchMemory);
}

// Tools write whole documents beside the pixels, which depend on none of them.
// Skipping them costs nothing, so that they need no limit of their own.
TEST(CodecTest, AncillaryChunksOfAnySizeAreSkipped) {
  PngSpec spec;
  spec.size = {8, 8};
  spec.sample = [](int x, int y, int c) { return uint32_t(x * y + c); };
  ASSERT_OK_AND_ASSIGN(const RgbImage plain, DecodeImage(BuildPng(spec), {}));
  const std::string large(size_t{9} << 20, 'x');
  spec.chunks = {{"tEXt", large}, {"eXIf", large}, {"caBX", large}};
  const std::string file = BuildPng(spec);
  const int64_t before = PeakMemory();
  ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodeImage(file, {}));
  EXPECT_LT(PeakMemory() - before, kMuchMemory);
  EXPECT_EQ(image.pixels, plain.pixels);
}

TEST(CodecTest, AHeaderAloneTouchesNoRaster) {
  // 8000 x 8000 is allowed and would be 183 MiB.
  const int64_t before = PeakMemory();
  EXPECT_FALSE(DecodeImage(PngWithTinyData(8000, 8000), {}).ok());
  EXPECT_FALSE(DecodeImage(JpegHeader(8000, 8000), {}).ok());
  EXPECT_LT(PeakMemory() - before, kMuchMemory);
}

TEST(CodecTest, MessagesHoldNoControlCharacters) {
  std::string file = PngWithTinyData(8, 8);
  file.insert(33, PngChunk("\n\x01z\xff", ""));
  const absl::Status status = DecodeImage(file, {}).status();
  ASSERT_FALSE(status.ok());
  for (char c : std::string(status.message())) {
    EXPECT_TRUE(c >= ' ' && c <= '~');
  }
}

TEST(CodecTest, RejectionsHaveNames) {
  EXPECT_STREQ(RejectionName(Rejection::kFormat), "format");
  EXPECT_STREQ(RejectionName(Rejection::kCorrupt), "corrupt");
  EXPECT_STREQ(RejectionName(Rejection::kPixels), "pixels");
  EXPECT_STREQ(RejectionName(Rejection::kAspect), "aspect");
  EXPECT_STREQ(RejectionName(Rejection::kChunk), "chunk");
  EXPECT_STREQ(RejectionName(Rejection::kScans), "scans");
  EXPECT_EQ(RejectionOf(absl::InternalError("other")), Rejection::kCorrupt);
}

}  // namespace
}  // namespace cooper::image
