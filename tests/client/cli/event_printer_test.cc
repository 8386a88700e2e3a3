#include "client/cli/event_printer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "absl/strings/match.h"
#include "tests/client/events.h"

namespace cooper::client {
namespace {

using ::testing::HasSubstr;

struct Screen {
  explicit Screen(const Console::Traits& traits = {})
      : console(out, err, traits), printer(&console) {}

  // One event a second.
  void Print(const std::vector<Event>& events) {
    for (const Event& event : events) {
      printer.Print(event, now);
      now += absl::Seconds(1);
    }
    printer.End();
  }

  std::ostringstream out, err;
  Console console;
  EventPrinter printer;
  absl::Time now = absl::UnixEpoch();
};

TEST(EventPrinterTest, WritesEachBlockOfTextOnLinesOfItsOwn) {
  Screen screen;
  screen.Print({TextEvent(0, v1::TEXT_CHANNEL_THINK, " \nOne"),
                TextEvent(0, v1::TEXT_CHANNEL_THINK, " two "),
                TextEvent(0, v1::TEXT_CHANNEL_THINK, "three. \n"),
                TextEvent(0, v1::TEXT_CHANNEL_PLAIN, "\n"),
                TextEvent(0, v1::TEXT_CHANNEL_ANSWER, "Four.")});
  EXPECT_EQ(screen.out.str(), "One two three.\nFour.\n");
}

TEST(EventPrinterTest, TellsMapsInPlainLinesWithoutATerminal) {
  Screen screen;
  screen.Print({StartedEvent(), MapStartedEvent(0, v1::MAP_KIND_DEPTH),
                ProgressEvent(0, 1), ProgressEvent(0, 2),
                MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_DISPLAY,
                         v1::MAP_ENCODING_PNG_RGB8, kTinyPng),
                FinishedEvent("")});
  EXPECT_EQ(screen.out.str(), "");
  EXPECT_EQ(screen.err.str(),
            "model demo, seed 42, request r-1\n"
            "generating a depth map, 4x2, 2 steps\n"
            "depth map, 4x2, 2 steps in 3.0 s\n"
            "done in 2.0 s, 34 tokens, 2 maps\n");
}

TEST(EventPrinterTest, DrawsABarOnATerminalAndLeavesItsSummary) {
  Screen screen({true, true, false, false, 60});
  screen.Print({MapStartedEvent(0, v1::MAP_KIND_DEPTH), ProgressEvent(0, 1),
                MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_DISPLAY,
                         v1::MAP_ENCODING_PNG_RGB8, kTinyPng)});
  EXPECT_THAT(screen.err.str(), HasSubstr("1/2  1.0 steps/s  1.0 s left"));
  EXPECT_TRUE(absl::EndsWith(screen.err.str(),
                             "\r\x1b[2K"
                             "depth map, 4x2, 2 steps in 2.0 s\n"));
}

TEST(EventPrinterTest, SaysWhyThereIsNoAnswer) {
  Screen screen;
  screen.Print({FinishedEvent("", "", v1::FINISH_REASON_MAX_TURNS)});
  EXPECT_THAT(screen.err.str(), HasSubstr("no answer: the last turn"));
}

TEST(EventPrinterTest, AnInterruptedBarIsCleared) {
  Screen screen({true, true, false, false, 60});
  screen.Print({MapStartedEvent(0, v1::MAP_KIND_DEPTH)});
  EXPECT_TRUE(absl::EndsWith(screen.err.str(), "\r\x1b[2K"));
}

}  // namespace
}  // namespace cooper::client
