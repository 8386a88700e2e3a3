#include "client/report/html.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace cooper::client {
namespace {

TEST(HtmlTest, EscapesAllThatCouldBecomeMarkup) {
  EXPECT_EQ(EscapeHtml("<a b=\"c\" d='e'>&amp;"),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;");
  EXPECT_EQ(EscapeHtml("x\x01\xFFy"), "x\uFFFD\uFFFDy");
}

TEST(HtmlTest, TellsImagesByTheirFirstBytes) {
  EXPECT_EQ(ImageUrl("\x89PNG\r\n\x1a\n"),
            "data:image/png;base64,iVBORw0KGgo=");
  EXPECT_EQ(ImageUrl("\xFF\xD8\xFF"), "data:image/jpeg;base64,/9j/");
  EXPECT_EQ(ImageExtension("RIFF....WEBPVP8 "), ".webp");
  EXPECT_EQ(ImageExtension("\xFF\xD8\xFF\xE0"), ".jpg");
  EXPECT_EQ(ImageExtension(""), ".bin");
  // An SVG can hold a script: it is no image here.
  EXPECT_EQ(ImageUrl("<svg>"), "data:application/octet-stream;base64,PHN2Zz4=");
}

TEST(HtmlTest, MarksBoxedValuesWithNestedBraces) {
  EXPECT_EQ(AnswerHtml("So \\boxed{a_{1} < b}."),
            "So <mark class=\"boxed\">a_{1} &lt; b</mark>.");
}

TEST(HtmlTest, LeavesABoxThatNeverClosesAsText) {
  EXPECT_EQ(AnswerHtml("So \\boxed{a {b}"), "So \\boxed{a {b}");
}

TEST(HtmlTest, WritesTimesForPeople) {
  EXPECT_EQ(HumanMilliseconds(0), "0 ms");
  EXPECT_EQ(HumanMilliseconds(0.2), "< 1 ms");
  EXPECT_EQ(HumanMilliseconds(83.2), "83 ms");
  EXPECT_EQ(HumanMilliseconds(1440), "1.4 s");
  EXPECT_EQ(HumanMilliseconds(125'000), "2 min 5 s");
  EXPECT_EQ(HumanMilliseconds(-3), "0 ms");
  EXPECT_EQ(HumanMilliseconds(std::nan("")), "0 ms");
}

}  // namespace
}  // namespace cooper::client
