#include "model/torch/slice_pacer.h"

#include <gtest/gtest.h>

namespace cooper::torch_model {
namespace {

constexpr absl::Duration kLong = absl::Seconds(1);

TEST(SlicePacerTest, TriesASmallPartOfAStageItDoesNotKnow) {
  const SlicePacer pacer;
  EXPECT_EQ(pacer.Rows(0, 1000, kLong, false), SlicePacer::kLeastRows);
  EXPECT_EQ(pacer.Rows(0, 10, kLong, false), 10);
  EXPECT_EQ(pacer.Rows(0, 1000, absl::ZeroDuration(), false), 0);
  EXPECT_EQ(pacer.Rows(0, 1000, absl::ZeroDuration(), true),
            SlicePacer::kLeastRows);
}

TEST(SlicePacerTest, TakesWhatFits) {
  SlicePacer pacer;
  pacer.Observe(1, 100, absl::Milliseconds(10));  // 0.1 ms a row
  EXPECT_EQ(pacer.Rows(1, 1000, absl::Milliseconds(50), false), 496);
  EXPECT_EQ(pacer.Rows(1, 300, absl::Milliseconds(50), false), 300);
  EXPECT_EQ(pacer.Rows(1, 1000, absl::Milliseconds(6.5), false), 64);
  EXPECT_EQ(pacer.Rows(1, 1000, absl::Milliseconds(6), false), 0);
  EXPECT_EQ(pacer.Rows(1, 1000, absl::Milliseconds(-3), false), 0);
  EXPECT_EQ(pacer.Rows(1, 1000, absl::Milliseconds(-3), true), 64);
  EXPECT_EQ(pacer.Rows(1, 30, absl::Milliseconds(4), false), 30);
  EXPECT_EQ(pacer.Rows(1, 30, absl::Milliseconds(2), false), 0);
  // Another stage is not known by this one.
  EXPECT_EQ(pacer.Rows(2, 1000, kLong, false), SlicePacer::kLeastRows);
}

TEST(SlicePacerTest, FollowsAChangeOfSpeed) {
  SlicePacer pacer;
  pacer.Observe(0, 100, absl::Milliseconds(10));
  for (int i = 0; i < 8; ++i) pacer.Observe(0, 100, absl::Milliseconds(40));
  EXPECT_NEAR(
      static_cast<double>(pacer.Rows(0, 1000, absl::Milliseconds(100), false)),
      250.0, 16.0);
}

}  // namespace
}  // namespace cooper::torch_model
