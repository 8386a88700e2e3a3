#include "server/engine/request_statistics.h"

#include <gtest/gtest.h>

namespace cooper::engine {
namespace {

TEST(RequestStatisticsTest, TimesAreSumsByKind) {
  RequestStatistics statistics;
  EXPECT_EQ(statistics.Of(RequestKind::kDepth).last, absl::InfinitePast());
  Usage usage;
  usage.total = absl::Milliseconds(100);
  usage.queued = absl::Milliseconds(10);
  usage.prefill = absl::Milliseconds(1);
  usage.decode = absl::Milliseconds(2);
  usage.denoise = absl::Milliseconds(3);
  usage.vae = absl::Milliseconds(4);
  usage.image = absl::Milliseconds(9);
  const absl::Time now = absl::UnixEpoch();
  for (int i = 0; i < 2; ++i) {
    statistics.Succeeded(RequestKind::kDepth, usage,
                         /*prepared=*/absl::Milliseconds(4), now);
  }
  statistics.Failed(RequestKind::kDepth, absl::Seconds(1),
                    now + absl::Seconds(5));
  const KindStatistics depth = statistics.Of(RequestKind::kDepth);
  EXPECT_EQ(depth.succeeded, 2);
  EXPECT_EQ(depth.failed, 1);
  EXPECT_EQ(depth.succeeded_for, absl::Milliseconds(200));
  EXPECT_EQ(depth.failed_for, absl::Seconds(1));
  EXPECT_EQ(depth.queued, absl::Milliseconds(20));
  EXPECT_EQ(depth.prepared, absl::Milliseconds(8));
  EXPECT_EQ(depth.computed, absl::Milliseconds(20));
  EXPECT_EQ(depth.encoded, absl::Milliseconds(10));
  EXPECT_EQ(depth.last, now + absl::Seconds(5));
  EXPECT_EQ(statistics.Of(RequestKind::kReason).succeeded, 0);
}

}  // namespace
}  // namespace cooper::engine
