#include "model/image/sniff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "tests/testing/status_matchers.h"

namespace cooper::image {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Case {
  std::string bytes;
  std::string words;
};

TEST(SniffTest, SaysWhatUnsupportedBytesLookLike) {
  const Case cases[] = {
      {"", "empty (0 bytes)"},
      {"\x01", "unknown binary data (1 bytes)"},
      {std::string("\x9c\x00\x13\xff\xfe", 5), "unknown binary data"},
      {"hello", "text"},
      {" \n\t ", "white space"},
      {"<!DOCTYPE html><title>404</title>", "an HTML page"},
      {"\xef\xbb\xbf\n <html lang=en>", "an HTML page"},
      {"<svg xmlns='http://www.w3.org/2000/svg'/>", "text"},
      {"GIF89a\x01\x02", "a GIF image"},
      {std::string("BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", 18),
       "a BMP image"},
      {std::string("II*\0\x08\0\0\0", 8), "a TIFF image"},
      {std::string("MM\0*\0\0\0\x08", 8), "a TIFF image"},
      {"PK\x03\x04zip", "unknown binary data"},
      {std::string("\0\0\0\x20"
                   "ftypavif",
                   12),
       "an AVIF image"},
      {std::string("\0\0\0\x18"
                   "ftypheic",
                   12),
       "a HEIC image"},
      {std::string("RIFF\x04\0\0\0WAVE", 12), "unknown binary data"},
      {"\x89not UTF-8", "unknown binary data"},
      {"caf\xc3\xa9", "text"},
      {"BM is also how a text can begin", "text"},
  };
  for (const Case& item : cases) {
    const absl::StatusOr<Format> format = SniffFormat(item.bytes);
    EXPECT_THAT(format, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr("unsupported image format"),
                                       HasSubstr(item.words))));
    EXPECT_EQ(RejectionOf(format.status()), Rejection::kFormat);
  }
}

TEST(SniffTest, AsksForInlineBytesInPlaceOfALink) {
  for (const char* text :
       {"https://example.com/cat.png", "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data", "gs://bucket/cat.jpg",
        "data:image/png;base64,iVBORw0KGgo=", "/etc/passwd", "../../cat.png",
        "~/cat.png", "C:\\cat.png", "\\\\host\\share", "cat.webp\n",
        "iVBORw0KGgoAAAANSUhEUgAA", "/9j/4AAQSkZJRgABAQ"}) {
    // The words of a caller are not repeated.
    EXPECT_THAT(SniffFormat(text), StatusIs(absl::StatusCode::kInvalidArgument,
                                            AllOf(HasSubstr("inline bytes"),
                                                  Not(HasSubstr(text)))))
        << text;
  }
}

TEST(SniffTest, KnowsTheThreeFormats) {
  ASSERT_OK_AND_ASSIGN(const Format png, SniffFormat("\x89PNG\r\n\x1a\n"));
  EXPECT_EQ(png, Format::kPng);
  EXPECT_OK(SniffFormat("\x89PNG\r"));  // cut
  ASSERT_OK_AND_ASSIGN(const Format jpeg, SniffFormat("\xff\xd8\xff\xe0"));
  EXPECT_EQ(jpeg, Format::kJpeg);
  ASSERT_OK_AND_ASSIGN(const Format webp,
                       SniffFormat(std::string("RIFF\0\0\0\0WEBP", 12)));
  EXPECT_EQ(webp, Format::kWebp);
}

}  // namespace
}  // namespace cooper::image
