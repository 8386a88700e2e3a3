#include "model/torch/slice_pacer.h"

#include <gtest/gtest.h>

#include "tests/model/torch/fake_device_layer.h"

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

TEST(SliceBudgetTest, KeepsAPartBack) {
  EXPECT_EQ(SliceBudget(absl::InfiniteDuration()).left(),
            absl::InfiniteDuration());
  EXPECT_LE(SliceBudget(absl::ZeroDuration()).left(), absl::ZeroDuration());
  const SliceBudget slice(absl::Hours(10));
  EXPECT_LE(slice.left(), absl::Hours(7.5));
  EXPECT_GT(slice.left(), absl::Hours(7.4));
}

TEST(PartPacerTest, LetsThroughWhatFits) {
  PartPacer pacer;
  SliceBudget slice(absl::Hours(10));
  EXPECT_TRUE(pacer.Fits(3, 100, slice)) << "a slice runs something";
  slice.Ran();
  EXPECT_FALSE(pacer.Fits(3, 100, slice)) << "how long it takes is not known";
  pacer.Observe(3, 100, absl::Hours(1));
  EXPECT_TRUE(pacer.Fits(3, 700, slice));
  EXPECT_FALSE(pacer.Fits(3, 900, slice));
  EXPECT_FALSE(pacer.Fits(2, 1, slice)) << "another part is not known by it";
  for (int i = 0; i < 8; ++i) pacer.Observe(3, 100, absl::Hours(2));
  EXPECT_FALSE(pacer.Fits(3, 500, slice)) << "it has become slower";
}

TEST(PartPacerTest, ASliceWithoutEndRunsAll) {
  const PartPacer pacer;
  SliceBudget slice(absl::InfiniteDuration());
  slice.Ran();
  EXPECT_TRUE(pacer.Fits(0, 100, slice));
}

// Parts that count how often they were run.
struct CountedRun {
  size_t next() const { return ran; }
  bool done() const { return ran == 4; }
  int64_t size() const { return 1; }
  void RunPart() { ++ran; }
  size_t ran = 0;
};

TEST(RunPartsTest, RunsAtLeastOneAndNoMoreThanFits) {
  PartPacer pacer;
  CountedRun run;
  for (size_t slices = 1; slices <= 4; ++slices) {
    SliceBudget slice(absl::ZeroDuration());
    EXPECT_EQ(RunParts(&run, &pacer, Device(), &slice).value(), slices == 4);
    EXPECT_EQ(run.ran, slices);
  }
  // Known now, and short.
  run.ran = 0;
  SliceBudget slice(absl::Hours(1));
  EXPECT_TRUE(RunParts(&run, &pacer, Device(), &slice).value());
}

TEST(RunPartsTest, ASliceWithoutEndWaitsOnceForPartsThatAreKnown) {
  FakeDeviceLayer layer;
  Device device;
  device.gpu = 0;
  device.layer = &layer;
  PartPacer pacer;
  const auto waits = [&] {
    const int before = layer.synchronized;
    CountedRun run;
    SliceBudget slice(absl::InfiniteDuration());
    EXPECT_TRUE(RunParts(&run, &pacer, device, &slice).value());
    EXPECT_EQ(run.ran, 4);
    return layer.synchronized - before;
  };
  EXPECT_GE(waits(), 4) << "it learns how long each part takes";
  EXPECT_EQ(waits(), 1);
  layer.on_synchronize = [] { return absl::InternalError("the GPU is gone"); };
  CountedRun run;
  SliceBudget slice(absl::InfiniteDuration());
  EXPECT_FALSE(RunParts(&run, &pacer, device, &slice).ok());
}

}  // namespace
}  // namespace cooper::torch_model
