#include "model/load_progress.h"

#include <gtest/gtest.h>

#include "tests/testing/fake_clock.h"

namespace cooper::model {
namespace {

using ::cooper::testing::FakeClock;

TEST(LoadProgress, TellsStageAndShare) {
  FakeClock clock;
  LoadProgress progress(&clock);
  EXPECT_EQ(progress.state().Description(), "opening files");
  progress.Begin(LoadStage::kReading, 200);
  EXPECT_EQ(progress.state().Description(), "reading weights, 0 %");
  progress.Add(30);
  progress.Add(54);
  EXPECT_EQ(progress.state().Description(), "reading weights, 42 %");
  EXPECT_EQ(progress.state().done_bytes, 84);
  progress.Begin(LoadStage::kWarmUp);
  EXPECT_EQ(progress.state().Description(), "warming up");
}

TEST(LoadProgress, EstimatesWhatRemainsAtThePaceSoFar) {
  FakeClock clock;
  LoadProgress progress(&clock);
  clock.Advance(absl::Seconds(5));
  progress.Begin(LoadStage::kReading, 1000);
  clock.Advance(absl::Seconds(10));
  progress.Add(250);
  EXPECT_EQ(progress.state().elapsed, absl::Seconds(15));
  EXPECT_EQ(progress.state().in_stage, absl::Seconds(10));
  EXPECT_EQ(progress.state().Remaining(), absl::Seconds(30));
  progress.Add(750);
  EXPECT_EQ(progress.state().Remaining(), absl::ZeroDuration());
}

TEST(LoadProgress, AStageWithoutAMeasureIsExpectedToTakeAsLongAgain) {
  FakeClock clock;
  LoadProgress progress(&clock);
  progress.Begin(LoadStage::kWarmUp);
  clock.Advance(absl::Seconds(7));
  EXPECT_EQ(progress.state().Remaining(), absl::Seconds(7));
  progress.Begin(LoadStage::kReading, 1000);
  clock.Advance(absl::Seconds(3));
  EXPECT_EQ(progress.state().Remaining(), absl::Seconds(3));
}

TEST(LoadProgress, ClientsAskAgainAfterASecondToAMinute) {
  FakeClock clock;
  LoadProgress progress(&clock);
  EXPECT_EQ(progress.RetryAfter(), absl::Seconds(1));
  progress.Begin(LoadStage::kReading, 1000);
  clock.Advance(absl::Seconds(10));
  progress.Add(500);
  EXPECT_EQ(progress.RetryAfter(), absl::Seconds(10));
  clock.Advance(absl::Hours(1));
  EXPECT_EQ(progress.RetryAfter(), absl::Minutes(1));
  progress.Add(500);
  EXPECT_EQ(progress.RetryAfter(), absl::Seconds(1));
}

}  // namespace
}  // namespace cooper::model
