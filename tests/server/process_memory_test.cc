#include "server/process_memory.h"

#include <gtest/gtest.h>

namespace cooper {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();
constexpr int64_t kMib = int64_t{1} << 20;

TEST(ProcessMemoryTest, ResidentMemoryIsKnown) {
  EXPECT_GT(ResidentBytes(), kMib);
}

TEST(ProcessMemoryTest, IdleMemoryIsTrimmedAfterAWhile) {
  MemoryTrimPolicy policy;
  policy.Trimmed(kStart, 100 * kMib);
  EXPECT_FALSE(policy.ShouldTrim(kStart, 400 * kMib, /*idle=*/true));
  EXPECT_FALSE(policy.ShouldTrim(kStart + absl::Seconds(2), 400 * kMib, true));
  EXPECT_TRUE(policy.ShouldTrim(kStart + absl::Seconds(3), 400 * kMib, true));
  policy.Trimmed(kStart + absl::Seconds(3), 120 * kMib);
  EXPECT_FALSE(policy.ShouldTrim(kStart + absl::Seconds(4), 130 * kMib, true));
}

TEST(ProcessMemoryTest, ShortPausesAreNoIdleness) {
  MemoryTrimPolicy policy;
  policy.Trimmed(kStart, 100 * kMib);
  for (int second = 0; second < 20; ++second) {
    EXPECT_FALSE(policy.ShouldTrim(kStart + absl::Seconds(second), 400 * kMib,
                                   second % 3 != 0));
  }
}

TEST(ProcessMemoryTest, UnderLoadAPeakIsTrimmedNowAndThen) {
  MemoryTrimPolicy policy;
  policy.Trimmed(kStart, 100 * kMib);
  const absl::Time later = kStart + absl::Seconds(31);
  EXPECT_FALSE(
      policy.ShouldTrim(kStart + absl::Seconds(5), 2000 * kMib, false));
  EXPECT_FALSE(policy.ShouldTrim(later, 500 * kMib, false));
  EXPECT_TRUE(policy.ShouldTrim(later, 2000 * kMib, false));
}

}  // namespace
}  // namespace cooper
