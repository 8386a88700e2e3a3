#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace cooper::base {
namespace {

TEST(Utf8Test, ReadsCharactersOfOneToFourBytes) {
  const struct {
    const char* text;
    size_t length;
    uint32_t code;
  } cases[] = {{"A", 1, 0x41},
               {"\x7f", 1, 0x7F},
               {"\xc2\x80", 2, 0x80},
               {"\xdf\xbf", 2, 0x7FF},
               {"\xe0\xa0\x80", 3, 0x800},
               {"\xed\x9f\xbf", 3, 0xD7FF},
               {"\xef\xbf\xbf", 3, 0xFFFF},
               {"\xf0\x90\x80\x80", 4, 0x10000},
               {"\xf4\x8f\xbf\xbf", 4, 0x10FFFF}};
  for (const auto& c : cases) {
    const Utf8Sequence next = NextUtf8(std::string(c.text) + "z");
    EXPECT_EQ(next.kind, Utf8Sequence::kValid) << c.text;
    EXPECT_EQ(next.length, c.length) << c.text;
    EXPECT_EQ(next.code, c.code) << c.text;
    EXPECT_TRUE(IsUtf8(c.text));
  }
}

TEST(Utf8Test, FindsTheMaximalPartThatIsInvalid) {
  const struct {
    const char* text;
    size_t length;
  } cases[] = {{"\x80", 1},              // a continuation alone
               {"\xc0\x80", 1},          // overlong
               {"\xe0\x80\x80", 1},      // overlong
               {"\xed\xa0\x80", 1},      // a surrogate
               {"\xf4\x90\x80\x80", 1},  // above U+10FFFF
               {"\xf5\x80", 1},
               {"\xe1\x80z", 2},
               {"\xf0\x90\x80z", 3}};
  for (const auto& c : cases) {
    const Utf8Sequence next = NextUtf8(c.text);
    EXPECT_EQ(next.kind, Utf8Sequence::kInvalid) << c.text;
    EXPECT_EQ(next.length, c.length) << c.text;
    EXPECT_FALSE(IsUtf8(c.text));
  }
}

TEST(Utf8Test, AnUnfinishedCharacterIsNeitherValidNorInvalid) {
  for (const char* text : {"\xc3", "\xe2\x82", "\xf0\x9f\x98"}) {
    EXPECT_EQ(NextUtf8(text).kind, Utf8Sequence::kUnfinished);
    EXPECT_EQ(NextUtf8(text).length, std::string(text).size());
    EXPECT_FALSE(IsUtf8(text));
  }
}

TEST(Utf8Test, ControlCharactersHaveTwoRanges) {
  for (const uint32_t code : {0x00u, 0x1Fu, 0x7Fu, 0x80u, 0x9Fu}) {
    EXPECT_TRUE(IsControl(code)) << code;
  }
  for (const uint32_t code : {0x20u, 0x7Eu, 0xA0u, 0x2028u}) {
    EXPECT_FALSE(IsControl(code)) << code;
  }
}

TEST(Utf8Test, TextThatShowsNothingIsBlank) {
  for (const char* text :
       {"", " \n\t", "\xc2\xa0", "\xe3\x80\x80", "\xe2\x80\x8b", "\xef\xbb\xbf",
        "\xe2\x80\xa8\xe2\x80\xa9", "\xc2\x85", "\xe1\x9a\x80", "\xe2\x80\x8d",
        "\xe2\x81\xa0", "\xe2\x80\x83 \xe2\x80\xaf\xe2\x81\x9f"}) {
    EXPECT_TRUE(IsBlank(text)) << text;
  }
  for (const char* text : {"a", ".", "\xc2\xa0.", "\xe3\x80\x81", "\xc3\xa9",
                           "\xe4\xb8\x80", "\xf0\x9f\x98\x80", "\xff"}) {
    EXPECT_FALSE(IsBlank(text)) << text;
  }
}

}  // namespace
}  // namespace cooper::base
