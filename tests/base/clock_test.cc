#include "base/clock.h"

#include <gtest/gtest.h>

#include "tests/testing/fake_clock.h"

namespace cooper::base {
namespace {

TEST(ClockTest, RealTimeNeverGoesBack) {
  const Clock* clock = Clock::Real();
  absl::Time last = clock->Now();
  for (int i = 0; i < 1000; ++i) {
    const absl::Time now = clock->Now();
    EXPECT_GE(now, last);
    last = now;
  }
}

TEST(ClockTest, RealTimeMoves) {
  const absl::Time start = Clock::Real()->Now();
  while (Clock::Real()->Now() == start) {
  }
  EXPECT_GT(Clock::Real()->Now(), start);
}

TEST(ClockTest, FakeTimeMovesOnlyWhenTold) {
  testing::FakeClock clock;
  const absl::Time start = clock.Now();
  EXPECT_EQ(clock.Now(), start);
  clock.Advance(absl::Seconds(3));
  EXPECT_EQ(clock.Now(), start + absl::Seconds(3));
}

}  // namespace
}  // namespace cooper::base
