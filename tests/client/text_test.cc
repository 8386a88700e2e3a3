#include "client/text.h"

#include <gtest/gtest.h>

namespace cooper::client {
namespace {

TEST(TextTest, TellsUtf8FromOtherBytes) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("näher \xE2\x82\xAC \xF0\x9F\x98\x80"));
  EXPECT_FALSE(IsUtf8("\xFF"));
  EXPECT_FALSE(IsUtf8("\xE2\x82"));          // cut off
  EXPECT_FALSE(IsUtf8("\xC0\xAF"));          // overlong
  EXPECT_FALSE(IsUtf8("\xED\xA0\x80"));      // surrogate
  EXPECT_FALSE(IsUtf8("\xF4\x90\x80\x80"));  // past the last code point
}

TEST(TextTest, PrintableKeepsTextTabsAndNewlines) {
  EXPECT_EQ(Printable("a\tb\nnäher"), "a\tb\nnäher");
}

TEST(TextTest, PrintableReplacesWhatSteersATerminal) {
  EXPECT_EQ(Printable("\x1b[2Jx"), "\uFFFD[2Jx");
  EXPECT_EQ(Printable("a\rb\bc\x7f"), "a\uFFFDb\uFFFDc\uFFFD");
  EXPECT_EQ(Printable("\xC2\x9B"
                      "31m"),
            "\uFFFD31m");  // CSI in one character
  EXPECT_EQ(Printable("x\xFFy"), "x\uFFFDy");
}

}  // namespace
}  // namespace cooper::client
