#include "server/engine/schedule/cost_estimator.h"

#include <gtest/gtest.h>

namespace cooper::engine {
namespace {

absl::Time At(int seconds) { return absl::FromUnixSeconds(1000 + seconds); }

double Millis(absl::Duration duration) {
  return absl::ToDoubleMilliseconds(duration);
}

TEST(CostEstimatorTest, KnowsNothingAtFirst) {
  const CostEstimator costs;
  EXPECT_EQ(costs.Estimate(BatchKind::kPrefill, 1000, At(0)),
            absl::ZeroDuration());
  EXPECT_EQ(costs.Estimate(LeastWork{100, 1, 49, 3000, 1}, At(0)),
            absl::ZeroDuration());
}

TEST(CostEstimatorTest, ALineTellsSmallBatchesFromLargeOnes) {
  CostEstimator costs;
  for (const int rows : {10, 2000, 30, 500, 12, 14}) {
    costs.Observe(BatchKind::kPrefill, rows,
                  absl::Microseconds(20000 + 100 * rows), At(0));
  }
  EXPECT_NEAR(Millis(costs.Estimate(BatchKind::kPrefill, 1000, At(0))), 120,
              0.01);
  EXPECT_NEAR(Millis(costs.Estimate(BatchKind::kPrefill, 1, At(0))), 20.1,
              0.01);
}

TEST(CostEstimatorTest, OneSizeAloneIsABound) {
  CostEstimator costs;
  costs.Observe(BatchKind::kDenoise, 100, absl::Milliseconds(40), At(0));
  costs.Observe(BatchKind::kDenoise, 100, absl::Milliseconds(40), At(0));
  EXPECT_NEAR(Millis(costs.Estimate(BatchKind::kDenoise, 400, At(0))), 40,
              0.01);
  EXPECT_NEAR(Millis(costs.Estimate(BatchKind::kDenoise, 50, At(0))), 20, 0.01);
}

TEST(CostEstimatorTest, FollowsChanges) {
  CostEstimator costs;
  for (int i = 0; i < 100; ++i) {
    costs.Observe(BatchKind::kDecode, 1, absl::Milliseconds(50), At(0));
  }
  for (int i = 0; i < 100; ++i) {
    costs.Observe(BatchKind::kDecode, 1, absl::Milliseconds(10), At(1));
  }
  EXPECT_NEAR(Millis(costs.Estimate(BatchKind::kDecode, 1, At(1))), 10, 1);
}

TEST(CostEstimatorTest, ForgetsWhatItHasNotSeenForAWhile) {
  CostEstimator costs;
  costs.Observe(BatchKind::kDecode, 1, absl::Seconds(9), At(0));
  EXPECT_GT(costs.Estimate(BatchKind::kDecode, 1, At(59)),
            absl::ZeroDuration());
  EXPECT_EQ(costs.Estimate(BatchKind::kDecode, 1, At(61)),
            absl::ZeroDuration());
  costs.Observe(BatchKind::kDecode, 1, absl::Seconds(1), At(61));
  EXPECT_NEAR(Millis(costs.Estimate(BatchKind::kDecode, 1, At(61))), 1000,
              0.01);
}

TEST(CostEstimatorTest, AddsUpARequest) {
  CostEstimator costs;
  costs.Observe(BatchKind::kPrefill, 1000, absl::Milliseconds(100), At(0));
  costs.Observe(BatchKind::kDecode, 1, absl::Milliseconds(7), At(0));
  costs.Observe(BatchKind::kDenoise, 3000, absl::Milliseconds(20), At(0));
  costs.Observe(BatchKind::kVaeDecode, 1, absl::Milliseconds(50), At(0));
  EXPECT_NEAR(Millis(costs.Estimate(LeastWork{500, 1, 49, 3000, 1}, At(0))),
              50 + 7 + 49 * 20 + 50, 0.01);
}

TEST(LeastWorkTest, Table) {
  PartTokens parts;
  parts.system = 100;
  parts.images = 1000;
  parts.texts = 10;
  model::FlowOptions flow;
  flow.num_timesteps = 11;
  flow.cfg_text_scale = 4;
  flow.cfg_img_scale = 2;
  flow.cfg_interval_low = 0;
  flow.cfg_interval_high = 1;
  const auto least = [&](const Task& task) {
    return LeastWorkOf(task, flow, parts, 64);
  };
  const LeastWork text = least(ReasonTask{Mode::kTextOnly, 3});
  EXPECT_EQ(text.prefill_rows, 1110);
  EXPECT_EQ(text.decodes, 1);
  EXPECT_EQ(text.denoise_steps, 0);
  EXPECT_EQ(text.maps, 0);
  EXPECT_EQ(least(ReasonTask{Mode::kInterleaved, 3}).maps, 0);
  const LeastWork perceive = least(ReasonTask{Mode::kPerceiveThenAnswer, 3});
  EXPECT_EQ(perceive.denoise_steps, 20);
  EXPECT_EQ(perceive.maps, 2);
  EXPECT_EQ(perceive.decodes, 1);
  const LeastWork depth = least(MapTask{model::MapKind::kDepth});
  EXPECT_EQ(depth.denoise_steps, 10);
  EXPECT_EQ(depth.denoise_rows, 64 * 3);
  EXPECT_EQ(depth.decodes, 0);
  EXPECT_EQ(least(GenerateTask{.think = true, .size = {}}).decodes, 1);
  flow.cfg_img_scale = 1;
  EXPECT_EQ(least(MapTask{}).denoise_rows, 64 * 2);
  flow.cfg_interval_low = 0.4;
  EXPECT_EQ(least(MapTask{}).denoise_rows, 64);
}

}  // namespace
}  // namespace cooper::engine
