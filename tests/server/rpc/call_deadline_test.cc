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

// What gRPC makes of a timeout that came over the wire.
gpr_timespec After(int64_t seconds) {
  gpr_timespec deadline = gpr_now(GPR_CLOCK_REALTIME);
  deadline.tv_sec += seconds;
  return deadline;
}

TEST(CallDeadlineTest, ADeadlineThatTheSystemClockCannotHoldIsCapped) {
  const testing::FakeClock clock;
  for (const int64_t hours :
       {int64_t{2000000}, int64_t{2100000}, int64_t{2562047}, int64_t{5124095},
        int64_t{7686143}, int64_t{99999999}}) {
    const auto wire = WireDeadline(After(hours * 3600));
    EXPECT_GT(wire, std::chrono::system_clock::now()) << hours;
    EXPECT_EQ(CallDeadline(wire, clock, absl::Minutes(15)).time(),
              clock.Now() + absl::Minutes(15))
        << hours;
  }
  EXPECT_EQ(WireDeadline(gpr_inf_future(GPR_CLOCK_REALTIME)),
            std::chrono::system_clock::time_point::max());
}

TEST(CallDeadlineTest, ADeadlineThatWrappedAroundIsCapped) {
  const testing::FakeClock clock;
  for (const int hours : {25, 24 * 365, 2000000}) {
    const CallDeadline wrapped(
        std::chrono::system_clock::now() - std::chrono::hours(hours), clock,
        absl::Minutes(15));
    EXPECT_EQ(wrapped.time(), clock.Now() + absl::Minutes(15)) << hours;
  }
}

TEST(CallDeadlineTest, ShortDeadlinesStayAsTheyAre) {
  const testing::FakeClock clock;
  for (const int seconds : {-5, 0, 5}) {
    const CallDeadline deadline(WireDeadline(After(seconds)), clock,
                                absl::Minutes(15));
    EXPECT_LE(deadline.time(), clock.Now() + absl::Seconds(seconds));
    EXPECT_GT(deadline.time(), clock.Now() + absl::Seconds(seconds - 2));
  }
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
