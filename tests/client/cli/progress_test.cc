#include "client/cli/progress.h"

#include <gtest/gtest.h>

namespace cooper::client {
namespace {

TEST(ProgressTest, ShowsBarStepsRateAndWhatIsLeft) {
  EXPECT_EQ(ProgressLine({"depth map", 5, 20, absl::Seconds(2)}, 80, false),
            "depth map  ########........................  5/20  2.5 steps/s  "
            "6.0 s left");
}

TEST(ProgressTest, BeforeTheFirstStepThereIsNoRate) {
  EXPECT_EQ(ProgressLine({"map", 0, 4, absl::Seconds(9)}, 80, false),
            "map  ................................  0/4");
}

TEST(ProgressTest, AtTheEndNothingIsLeft) {
  EXPECT_EQ(ProgressLine({"map", 4, 4, absl::Milliseconds(100)}, 80, false),
            "map  ################################  4/4  40 steps/s");
}

TEST(ProgressTest, FitsIntoNarrowTerminals) {
  for (int columns = 0; columns < 90; ++columns) {
    const std::string line =
        ProgressLine({"segmentation", 7, 49, absl::Seconds(3)}, columns, false);
    EXPECT_LE(static_cast<int>(line.size()), columns);
  }
}

TEST(ProgressTest, ToleratesAServerThatCountsPastTheEnd) {
  EXPECT_EQ(ProgressLine({"map", 9, 4, absl::ZeroDuration()}, 50, false),
            "map  ################################  4/4");
  EXPECT_EQ(ProgressLine({"map", -1, 0, absl::ZeroDuration()}, 50, false),
            "map  ................................  0/1");
}

TEST(ProgressTest, DrawsBlocksWhereTheTerminalCan) {
  EXPECT_EQ(ProgressLine({"map", 1, 2, absl::ZeroDuration()}, 18, true),
            "map  ████░░░░  1/2");
}

}  // namespace
}  // namespace cooper::client
