#include "client/cli/console.h"

#include <gtest/gtest.h>

#include <sstream>

namespace cooper::client {
namespace {

Console::Traits Terminal() { return {true, true, true, true, 80}; }

TEST(ConsoleTest, WithoutATerminalOnlyPlainTextIsWritten) {
  std::ostringstream out, err;
  Console console(out, err, {});
  console.Text("thought", Console::Look::kThought);
  console.Bar("bar");
  console.Notice("notice\x1b[2J");
  console.Problem("problem");
  console.Text(" on", Console::Look::kThought);
  console.EndLine();
  EXPECT_EQ(out.str(), "thought on\n");
  EXPECT_EQ(err.str(), "notice\uFFFD[2J\nproblem\n");
}

TEST(ConsoleTest, OnATerminalTextIsStyledAndResetEachTime) {
  std::ostringstream out, err;
  Console console(out, err, Terminal());
  console.Text("hm", Console::Look::kThought);
  EXPECT_EQ(out.str(), "\x1b[2mhm\x1b[0m");
}

TEST(ConsoleTest, WithoutColourATerminalStillGetsTheBar) {
  Console::Traits traits = Terminal();
  traits.colour = false;
  std::ostringstream out, err;
  Console console(out, err, traits);
  console.Text("hm", Console::Look::kThought);
  console.EndLine();
  console.Notice("news");
  console.Bar("1/2");
  EXPECT_EQ(out.str(), "hm\n");
  EXPECT_EQ(err.str(), "news\n\r\x1b[2K1/2");
}

TEST(ConsoleTest, ModelTextCannotSteerTheTerminal) {
  std::ostringstream out, err;
  Console console(out, err, Terminal());
  console.Text("\x1b]0;title\x07", Console::Look::kPlain);
  EXPECT_EQ(out.str(), "\uFFFD]0;title\uFFFD");
}

TEST(ConsoleTest, OnOneScreenANoticeStartsItsOwnLineAndClearsTheBar) {
  std::ostringstream out, err;
  Console console(out, err, {true, true, false, false, 80});
  console.Text("open");
  console.Notice("news");
  EXPECT_EQ(out.str(), "open\n");
  console.Bar("bar");
  console.Notice("more");
  EXPECT_EQ(err.str(), "news\n\r\x1b[2Kbar\r\x1b[2Kmore\n");
}

TEST(ConsoleTest, TellsWhenOutputIsLost) {
  std::ostringstream out, err;
  Console console(out, err, {});
  EXPECT_TRUE(console.good());
  out.setstate(std::ios::badbit);
  EXPECT_FALSE(console.good());
}

}  // namespace
}  // namespace cooper::client
