#include "server/rpc/call_deadline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "absl/time/clock.h"
#include "tests/testing/fake_clock.h"

namespace cooper::rpc {
namespace {

TEST(CallDeadlineTest, AbsentAndFarDeadlinesAreCapped) {
  const testing::FakeClock clock;
  const CallDeadline absent(std::chrono::system_clock::time_point::max(), clock,
                            absl::Minutes(15));
  EXPECT_EQ(absent.time(), clock.Now() + absl::Minutes(15));
  EXPECT_FALSE(absent.Passed(absent.time() - absl::Nanoseconds(1)));
  EXPECT_TRUE(absent.Passed(absent.time()));
  const CallDeadline far(
      std::chrono::system_clock::now() + std::chrono::hours(87600), clock,
      absl::Minutes(15));
  EXPECT_EQ(far.time(), clock.Now() + absl::Minutes(15));
}

TEST(CallDeadlineTest, PassesALittleEarlyForTheWiresRounding) {
  const testing::FakeClock clock;
  const CallDeadline deadline(
      std::chrono::system_clock::now() + std::chrono::seconds(100), clock,
      absl::Minutes(15));
  EXPECT_GT(deadline.time(), clock.Now() + absl::Seconds(90));
  EXPECT_LE(deadline.time(), clock.Now() + absl::Seconds(100));
  EXPECT_TRUE(deadline.Passed(deadline.time() - absl::Milliseconds(900)));
  EXPECT_FALSE(deadline.Passed(deadline.time() - absl::Seconds(2)));
}

TEST(CallDeadlineTest, APastDeadlineIsPassedAtOnce) {
  const testing::FakeClock clock;
  const CallDeadline deadline(
      std::chrono::system_clock::now() - std::chrono::hours(1), clock,
      absl::Minutes(15));
  EXPECT_LT(deadline.time(), clock.Now());
  EXPECT_TRUE(deadline.Passed(clock.Now()));
}

}  // namespace
}  // namespace cooper::rpc
