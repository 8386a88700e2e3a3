#include "server/engine/schedule/run_times.h"

#include <gtest/gtest.h>

namespace cooper::engine {
namespace {

constexpr WorkSize kText;

absl::Time At(double seconds) {
  return absl::UnixEpoch() + absl::Seconds(seconds);
}

TEST(RunTimesTest, NothingIsKnownBeforeTheFirstEndNorLongAfterTheLast) {
  RunTimes times;
  EXPECT_EQ(times.Mean(kText, At(0)), absl::ZeroDuration());
  times.Observe(kText, absl::Seconds(2), /*finished=*/true, At(0));
  EXPECT_EQ(times.Mean(kText, At(600)), absl::Seconds(2));
  EXPECT_EQ(times.Likely(kText, At(600)), absl::Seconds(2));
  EXPECT_EQ(times.Mean(kText, At(601)), absl::ZeroDuration());
  EXPECT_EQ(times.Mean({WorkClass::kImage, 1}, At(0)), absl::ZeroDuration());
}

TEST(RunTimesTest, TheMeanFollowsAndTheLikelyTimeLiesAboveIt) {
  RunTimes times;
  for (int i = 0; i < 100; ++i) {
    times.Observe(kText, absl::Seconds(i % 2 == 0 ? 1 : 3), true, At(i));
  }
  EXPECT_NEAR(absl::ToDoubleSeconds(times.Mean(kText, At(100))), 2, 0.2);
  EXPECT_NEAR(absl::ToDoubleSeconds(times.Likely(kText, At(100))), 4, 0.4);
}

TEST(RunTimesTest, MapsCountByTheirSteps) {
  RunTimes times;
  times.Observe({WorkClass::kDepth, 10}, absl::Seconds(5), true, At(0));
  EXPECT_EQ(times.Mean({WorkClass::kDepth, 40}, At(0)), absl::Seconds(20));
}

TEST(RunTimesTest, WhatWasEndedEarlyOnlyRaisesTheMean) {
  RunTimes times;
  times.Observe(kText, absl::Seconds(2), true, At(0));
  times.Observe(kText, absl::Seconds(1), false, At(1));
  EXPECT_EQ(times.Mean(kText, At(1)), absl::Seconds(2));
  times.Observe(kText, absl::Seconds(7), false, At(2));
  EXPECT_EQ(times.Mean(kText, At(2)), absl::Seconds(3));
}

TEST(WorkSizeTest, FollowsFromTheTask) {
  model::FlowOptions flow;
  flow.num_timesteps = 20;
  const auto of = [&](const Task& task) { return WorkSizeOf(task, flow); };
  EXPECT_EQ(of(ReasonTask{Mode::kTextOnly}).work_class, WorkClass::kText);
  EXPECT_EQ(of(ReasonTask{Mode::kTextOnly}).size, 1);
  EXPECT_EQ(of(ReasonTask{}).work_class, WorkClass::kInterleaved);
  EXPECT_EQ(of(ReasonTask{}).size, 1);
  EXPECT_EQ(of(ReasonTask{Mode::kPerceiveThenAnswer}).work_class,
            WorkClass::kPerceive);
  EXPECT_EQ(of(MapTask{}).work_class, WorkClass::kDepth);
  EXPECT_EQ(of(MapTask{}).size, 19);
  EXPECT_EQ(of(MapTask{model::MapKind::kSegmentation}).work_class,
            WorkClass::kSegmentation);
  EXPECT_EQ(of(GenerateTask{}).work_class, WorkClass::kImage);
}

}  // namespace
}  // namespace cooper::engine
