#include "client/bench/distribution.h"

#include <gtest/gtest.h>

namespace cooper::client::bench {
namespace {

TEST(PercentileTest, IsTheNearestRank) {
  struct Case {
    std::vector<double> sorted;
    double percent;
    double expected;
  };
  std::vector<double> twenty(20);
  for (int i = 0; i < 20; ++i) twenty[static_cast<size_t>(i)] = i + 1;
  for (const Case& c : std::vector<Case>{{{7}, 50, 7},
                                         {{7}, 99, 7},
                                         {{1, 2}, 50, 1},
                                         {{1, 2}, 51, 2},
                                         {{1, 2, 3}, 50, 2},
                                         {twenty, 95, 19},
                                         {twenty, 96, 20},
                                         {twenty, 100, 20},
                                         {twenty, 0.1, 1}}) {
    EXPECT_EQ(Percentile(c.sorted, c.percent), c.expected)
        << c.percent << " of " << c.sorted.size();
  }
}

TEST(DistributionTest, IsExactInAnyOrder) {
  Distribution values;
  for (int i = 0; i < 100; ++i) {
    values.Add(absl::Milliseconds((i * 37) % 100 + 1));
  }
  const Distribution::Figures figures = values.figures();
  EXPECT_EQ(figures.count, 100);
  EXPECT_TRUE(figures.exact);
  EXPECT_NEAR(figures.mean, 0.0505, 1e-9);
  EXPECT_NEAR(figures.min, 0.001, 1e-12);
  EXPECT_NEAR(figures.p50, 0.050, 1e-12);
  EXPECT_NEAR(figures.p90, 0.090, 1e-12);
  EXPECT_NEAR(figures.p95, 0.095, 1e-12);
  EXPECT_NEAR(figures.p99, 0.099, 1e-12);
  EXPECT_NEAR(figures.max, 0.100, 1e-12);
}

TEST(DistributionTest, WithoutValuesAllIsZero) {
  const Distribution::Figures figures = Distribution().figures();
  EXPECT_EQ(figures.count, 0);
  EXPECT_EQ(figures.p99, 0.0);
  EXPECT_TRUE(figures.exact);
}

TEST(DistributionTest, AboveTheBoundItDrawsEvenlyAndSaysSo) {
  Distribution values(/*max_samples=*/1000);
  for (int i = 1; i <= 100'000; ++i) values.Add(absl::Microseconds(i));
  const Distribution::Figures figures = values.figures();
  EXPECT_EQ(figures.count, 100'000);
  EXPECT_FALSE(figures.exact);
  // Extremes and mean are exact, percentiles near: late values count as much.
  EXPECT_NEAR(figures.max, 0.1, 1e-12);
  EXPECT_NEAR(figures.mean, 0.0500005, 1e-9);
  EXPECT_NEAR(figures.p50, 0.05, 0.006);
  EXPECT_NEAR(figures.p90, 0.09, 0.004);
}

}  // namespace
}  // namespace cooper::client::bench
