#include "server/rpc/memory_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <string>

#include "tests/server/metrics/scrape.h"

namespace cooper::rpc {
namespace {

using ::testing::HasSubstr;

class MemoryWatchTest : public ::testing::Test {
 protected:
  // With that share of the memory in use.
  bool ShedsAt(int percent, bool idle = false) {
    used_percent_ = percent;
    watch_.Check(now_, idle);
    const testing::Scrape scrape = testing::Scrape::Parse(
        prometheus::TextSerializer().Serialize(registry_.Collect()));
    EXPECT_EQ(scrape.Sum("cooper_overload_state"), watch_.sheds() ? 1 : 0);
    return watch_.sheds();
  }

  prometheus::Registry registry_;
  metrics::ServerMetrics metrics_{&registry_};
  int used_percent_ = 0;
  int trims_ = 0;
  absl::Time now_ = absl::UnixEpoch();
  MemoryWatch watch_{
      {.read =
           [this] {
             return base::HostMemory{
                 .total_bytes = int64_t{100} << 20,
                 .free_bytes = int64_t{100 - used_percent_} << 20};
           },
       .trim = [this] { ++trims_; }},
      &metrics_};
};

TEST_F(MemoryWatchTest, ShedsAbove90PercentUntilBelow80) {
  EXPECT_FALSE(watch_.sheds());
  EXPECT_FALSE(ShedsAt(50));
  EXPECT_FALSE(ShedsAt(85));
  EXPECT_FALSE(ShedsAt(90));
  EXPECT_TRUE(ShedsAt(91));
  EXPECT_TRUE(ShedsAt(85));
  EXPECT_TRUE(ShedsAt(81));
  EXPECT_FALSE(ShedsAt(80));
  EXPECT_FALSE(ShedsAt(85));
}

TEST_F(MemoryWatchTest, AnIdleServerDoesNotWaitForWhatItNeedsItself) {
  EXPECT_TRUE(ShedsAt(95));
  EXPECT_TRUE(ShedsAt(95, /*idle=*/true));
  EXPECT_TRUE(ShedsAt(88));
  EXPECT_FALSE(ShedsAt(88, /*idle=*/true));
}

TEST_F(MemoryWatchTest, UnknownMemoryIsNotShort) {
  MemoryWatch watch({.read = [] { return base::HostMemory(); }}, &metrics_);
  watch.Check(now_, /*idle=*/false);
  EXPECT_FALSE(watch.sheds());
}

TEST_F(MemoryWatchTest, TrimsOnlyWhileMemoryIsShortAndSeldom) {
  ShedsAt(90);
  EXPECT_EQ(trims_, 0);
  ShedsAt(95);
  ShedsAt(95);
  EXPECT_EQ(trims_, 1);
  now_ += absl::Seconds(9);
  ShedsAt(70);
  ShedsAt(95);
  EXPECT_EQ(trims_, 1);
  now_ += absl::Seconds(1);
  ShedsAt(95);
  EXPECT_EQ(trims_, 2);
}

TEST_F(MemoryWatchTest, EveryChangeIsOneLineOfTheLog) {
  const auto said = [this](int percent) {
    ::testing::internal::CaptureStderr();
    ShedsAt(percent);
    ShedsAt(percent);
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(said(50), "");
  const std::string shed = said(95);
  EXPECT_THAT(shed, HasSubstr("warning"));
  EXPECT_THAT(shed, HasSubstr("free_mib=5 limit_mib=100"));
  EXPECT_EQ(std::count(shed.begin(), shed.end(), '\n'), 1);
  EXPECT_THAT(said(70), HasSubstr("info"));
}

}  // namespace
}  // namespace cooper::rpc
