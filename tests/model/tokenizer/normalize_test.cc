#include "model/tokenizer/normalize.h"

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <cstdlib>
#include <random>
#include <string>

namespace cooper::tokenizer {
namespace {

std::string Utf8(char32_t code) {
  utf8proc_uint8_t bytes[4];
  const auto length =
      utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes);
  return {reinterpret_cast<char*>(bytes), static_cast<size_t>(length)};
}

std::string ByUtf8proc(const std::string& text) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto length = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &mapped,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::string out(reinterpret_cast<char*>(mapped),
                        static_cast<size_t>(length));
  std::free(mapped);
  return out;
}

TEST(NormalizeNfc, Composes) {
  EXPECT_EQ(NormalizeNfc("plain"), "plain");
  EXPECT_EQ(NormalizeNfc("e\u0301"), "\u00E9");
  EXPECT_EQ(NormalizeNfc("\u212B"), "\u00C5");              // Angstrom sign
  EXPECT_EQ(NormalizeNfc("\u1100\u1161\u11A8"), "\uAC01");  // Hangul
  EXPECT_EQ(NormalizeNfc("q\u0307\u0323"), "q\u0323\u0307");
  EXPECT_EQ(NormalizeNfc("\uFB01"), "\uFB01");  // not a compatibility form
}

TEST(NormalizeNfc, ReplacesInvalidUtf8) {
  EXPECT_EQ(NormalizeNfc("a\xFF"
                         "b"),
            "a\uFFFDb");
  EXPECT_EQ(NormalizeNfc("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // surrogate
  EXPECT_EQ(NormalizeNfc("\xC3"), "\uFFFD");
}

TEST(NormalizeNfc, KeepsNul) {
  const std::string text("\0e\u0301\0", 5);
  EXPECT_EQ(NormalizeNfc(text), std::string("\0\u00E9\0", 4));
}

TEST(NormalizeNfc, AgreesWithUtf8procOnRandomText) {
  std::mt19937 random(1);
  const auto between = [&](char32_t low, char32_t high) {
    return Utf8(low + random() % (high - low + 1));
  };
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 60; ++i) {
      switch (random() % 6) {
        case 0:
          text += between('a', 'z');
          break;
        case 1:
          text += between(0xC0, 0x17F);
          break;
        case 2:
          text += between(0x1100, 0x11FF);
          break;
        case 3:
          text += between(0xAC00, 0xD7A3);
          break;
        case 4:
          text += between(0x900, 0x1200);
          break;
        default:
          text += between(0x300, 0x34E);
          break;
      }
    }
    ASSERT_EQ(NormalizeNfc(text), ByUtf8proc(text));
  }
}

TEST(NormalizeNfc, OrdersALongRunOfMarksInReasonableTime) {
  // Two classes by turns: an ordering by swaps of neighbours would need 10^10.
  std::string text = "a";
  constexpr int kPairs = 200'000;
  for (int i = 0; i < kPairs; ++i) text += "\u0315\u0316";
  const std::string out = NormalizeNfc(text);
  EXPECT_EQ(out.size(), text.size());
  EXPECT_EQ(out.substr(0, 5), "a\u0316\u0316");
  EXPECT_EQ(out.substr(out.size() - 4), "\u0315\u0315");
}

}  // namespace
}  // namespace cooper::tokenizer
