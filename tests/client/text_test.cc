#include "client/text.h"

#include <gtest/gtest.h>

namespace cooper::client {
namespace {

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
