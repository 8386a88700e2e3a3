// Flaws of JPEG files that cameras and tools write and viewers ignore, and
// those that lose pixels.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "model/image/jpeg_decoder.h"
#include "tests/model/image/jpeg_fixtures.h"
#include "tests/model/image/png_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace cooper::image {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

constexpr Size kSize = {61, 47};
const char kEndMarker[] = "\xff\xd9";

JpegSpec SpecOf(bool progressive = false) {
  JpegSpec spec;
  spec.size = kSize;
  spec.progressive = progressive;
  spec.pixels = Gradient(kSize).pixels;
  return spec;
}

// Index of the nth marker of the kind, from 0.
size_t Marker(const std::string& file, int marker, int nth = 0) {
  const std::string bytes = {'\xff', static_cast<char>(marker)};
  size_t at = file.find(bytes);
  for (int i = 0; i < nth; ++i) at = file.find(bytes, at + 2);
  return at;
}

int Count(const std::string& file, int marker) {
  int count = 0;
  for (size_t at = 0; at < file.size() - 1; ++at) {
    if (file[at] == '\xff' && file[at + 1] == static_cast<char>(marker)) {
      ++count;
    }
  }
  return count;
}

std::string Segment(int marker, const std::string& data) {
  return std::string{'\xff', static_cast<char>(marker)} +
         BigEndian(static_cast<uint32_t>(data.size() + 2), 2) + data;
}

std::string WithInserted(std::string file, size_t at,
                         const std::string& bytes) {
  return file.insert(at, bytes);
}

std::string WithByte(std::string file, size_t at, int byte) {
  file.at(at) = static_cast<char>(byte);
  return file;
}

std::string WithoutEnd(const std::string& file) {
  return file.substr(0, file.size() - 2);
}

void ExpectDecodedAs(const std::string& good, const std::string& name,
                     const std::string& file) {
  SCOPED_TRACE(name);
  ASSERT_OK_AND_ASSIGN(const RgbImage expected, DecodeJpeg(good, {}));
  ASSERT_OK_AND_ASSIGN(const RgbImage image, DecodeJpeg(file, {}));
  EXPECT_EQ(image.size, expected.size);
  EXPECT_EQ(image.pixels, expected.pixels);
}

void ExpectRefused(const std::string& name, const std::string& file) {
  SCOPED_TRACE(name);
  const absl::StatusOr<RgbImage> image = DecodeJpeg(file, {});
  EXPECT_THAT(image, StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr(" JPEG: ")));
  EXPECT_EQ(RejectionOf(image.status()), Rejection::kCorrupt);
}

TEST(JpegFlawsTest, FlawsOfTheHeaderAreIgnored) {
  const std::string good = BuildJpeg(SpecOf());
  const size_t jfif = Marker(good, 0xe0);
  const size_t scan = Marker(good, 0xda);
  // Behind the marker: length, components, two bytes for each; then Ss.
  const size_t last = scan + 2 + 2 + 1 + size_t{3} * 2 + 1;
  const std::string garbage("\x01\x02\xff\x00\x03", 5);
  const std::vector<std::pair<std::string, std::string>> files = {
      {"JFIF 0.00", WithByte(good, jfif + 9, 0)},
      {"JFIF 7", WithByte(good, jfif + 9, 7)},
      {"Se = 0", WithByte(good, last, 0)},
      {"Ah and Al", WithByte(good, last + 1, 0x11)},
      {"bytes between segments", WithInserted(good, jfif, garbage)},
      {"bytes before the scan", WithInserted(good, scan, garbage)},
      {"fill bytes", WithInserted(good, scan, "\xff\xff\xff")},
      {"length of zero",
       WithInserted(good, jfif, std::string("\xff\xe5\0\0", 4))},
      {"length that is too short",
       WithInserted(good, jfif, std::string("\xff\xe5\0\4abcdef", 10))},
      {"EXIF that is none", WithExif(good, "not TIFF")},
      {"EXIF with a wild offset",
       WithExif(good, std::string("II*\0\xff\xff\xff\x7f", 8))},
      {"profile that is none",
       WithInserted(good, jfif, Segment(0xe2, "ICC_PROFILE"))},
      {"profile of parts out of order",
       WithInserted(good, jfif,
                    Segment(0xe2, std::string("ICC_PROFILE\0\x09\x02x", 15)))},
      {"index of pictures that are not there",
       WithInserted(good, jfif, Segment(0xe2, std::string("MPF\0II*\0", 8)))},
      {"empty comment", WithInserted(good, jfif, Segment(0xfe, ""))},
      {"thumbnail that is cut",
       WithInserted(good, jfif, Segment(0xe1, "Exif\xff\xd8\xff\xda"))},
  };
  for (const auto& [name, file] : files) ExpectDecodedAs(good, name, file);
}

TEST(JpegFlawsTest, AnUnknownTransformIsTheUsualOne) {
  const std::string good = BuildJpeg(SpecOf());
  // Adobe's segment in place of JFIF's, which would decide.
  const size_t jfif = Marker(good, 0xe0);
  std::string adobe = good;
  adobe.replace(jfif, 18,
                Segment(0xee, std::string("Adobe\0\x64\0\0\0\0\x09", 12)));
  ExpectDecodedAs(good, "transform 9", adobe);
}

TEST(JpegFlawsTest, TheFirstOrientationCounts) {
  const std::string good = BuildJpeg(SpecOf());
  const std::string turned = WithExif(good, ExifBlock(6, true));
  const std::string later = Segment(0xe1, std::string("Exif\0\0broken", 12));
  ExpectDecodedAs(turned, "second block",
                  WithInserted(turned, Marker(turned, 0xdb), later));
}

TEST(JpegFlawsTest, WhatFollowsTheDataIsIgnored) {
  for (const bool progressive : {false, true}) {
    const std::string good = BuildJpeg(SpecOf(progressive));
    const std::string data = WithoutEnd(good);
    const std::vector<std::pair<std::string, std::string>> files = {
        {"no end", data},
        {"half an end", data + "\xff"},
        {"bytes before the end", data + "\x01\x02\x03" + kEndMarker},
        {"zeros before the end", data + std::string(500, '\0') + kEndMarker},
        {"fill before the end", data + std::string(9, '\xff') + kEndMarker},
        {"zeros for the end", data + std::string(500, '\0')},
        {"text for the end", data + "<html>not found</html>"},
        {"another picture behind it", good + good},
        {"a film behind it", good + std::string("\0\0\0\x18"
                                                "ftypmp42",
                                                12)},
        {"number of lines", data + Segment(0xdc, BigEndian(9, 2)) + kEndMarker},
        {"comment", data + Segment(0xfe, "behind") + kEndMarker},
    };
    for (const auto& [name, file] : files) {
      ExpectDecodedAs(good, (progressive ? "progressive: " : "") + name, file);
    }
  }
}

// Of one scan, what follows the last row is not even parsed.
TEST(JpegFlawsTest, FaultySegmentsBehindOneScanAreIgnored) {
  const std::string good = BuildJpeg(SpecOf());
  const std::string data = WithoutEnd(good);
  ExpectDecodedAs(good, "another picture for the end", data + good);
  ExpectDecodedAs(good, "further scan", data + good.substr(Marker(good, 0xda)));
  ExpectDecodedAs(good, "cut number of lines", data + "\xff\xdc" + kEndMarker);
  ExpectDecodedAs(good, "unknown marker", data + "\xff\x05" + kEndMarker);
  ExpectDecodedAs(good, "further restart", data + "\xff\xd3" + kEndMarker);
}

// Whatever the coding, a file that is cut at any byte gives the whole picture
// or none.
TEST(JpegFlawsTest, CutDataIsRefused) {
  JpegSpec restarts = SpecOf();
  restarts.restart_rows = 1;
  JpegSpec arithmetic = SpecOf();
  arithmetic.arithmetic = true;
  JpegSpec separate = SpecOf();
  separate.separate_scans = true;
  const std::vector<std::pair<std::string, JpegSpec>> specs = {
      {"baseline", SpecOf()},    {"progressive", SpecOf(true)},
      {"restarts", restarts},    {"arithmetic", arithmetic},
      {"three scans", separate},
  };
  for (const auto& [name, spec] : specs) {
    SCOPED_TRACE(name);
    const std::string good = BuildJpeg(spec);
    ASSERT_OK(DecodeJpeg(good, {}));
    // Without the last byte of the data, with and without an end marker.
    ExpectRefused("cut", good.substr(0, good.size() - 3));
    for (size_t at = 4; at + 3 < good.size(); at += 7) {
      EXPECT_FALSE(DecodeJpeg(good.substr(0, at), {}).ok()) << at;
    }
    // Arithmetic-coded data that is cut can't be told from shorter data.
    if (spec.arithmetic) continue;
    ExpectRefused("cut before the end marker",
                  good.substr(0, good.size() - 3) + kEndMarker);
  }
}

TEST(JpegFlawsTest, MissingScansAreRefused) {
  JpegSpec separate = SpecOf();
  separate.separate_scans = true;
  const std::string three = BuildJpeg(separate);
  ASSERT_EQ(Count(three, 0xda), 3);
  for (int kept : {1, 2}) {
    const std::string cut = three.substr(0, Marker(three, 0xda, kept));
    ExpectRefused("components missing", cut);
    ExpectRefused("components missing, with an end", cut + kEndMarker);
  }
  const std::string progressive = BuildJpeg(SpecOf(true));
  const int scans = Count(progressive, 0xda);
  ASSERT_GT(scans, 2);
  for (int kept = 1; kept < scans; ++kept) {
    ExpectRefused("scans missing " + std::to_string(kept),
                  progressive.substr(0, Marker(progressive, 0xda, kept)));
  }
}

TEST(JpegFlawsTest, DamagedRestartsAreRefused) {
  JpegSpec spec = SpecOf();
  spec.restart_rows = 1;
  const std::string good = BuildJpeg(spec);
  ExpectDecodedAs(BuildJpeg(SpecOf()), "restarts", good);
  const size_t first = Marker(good, 0xd0);
  const size_t second = Marker(good, 0xd1);
  ExpectRefused("wrong number", WithByte(good, first + 1, 0xd4));
  ExpectRefused("segment missing", good.substr(0, first) + good.substr(second));
  ExpectRefused("marker missing",
                good.substr(0, first) + good.substr(first + 2));
  ExpectRefused("bytes missing",
                good.substr(0, first - 4) + good.substr(first));
  ExpectRefused("bytes before a restart",
                WithInserted(good, second, std::string(64, '\x12')));
  ExpectDecodedAs(good, "fill before a restart",
                  WithInserted(good, second, "\xff\xff"));
}

TEST(JpegFlawsTest, MoreRowsThanDataAreRefused) {
  const std::string good = BuildJpeg(SpecOf());
  const size_t frame = Marker(good, 0xc0);
  // Height, low byte; 16 rows more than there are.
  ExpectRefused("rows missing", WithByte(good, frame + 6, kSize.height + 16));
}

}  // namespace
}  // namespace cooper::image
