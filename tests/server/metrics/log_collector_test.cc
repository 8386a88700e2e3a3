#include "server/metrics/log_collector.h"

#include <gtest/gtest.h>
#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <map>
#include <string>

#include "base/logging.h"

namespace cooper::metrics {
namespace {

// By level.
std::map<std::string, double> Counts() {
  std::map<std::string, double> counts;
  for (const auto& family : LogCollector().Collect()) {
    EXPECT_EQ(family.name, "cooper_log_messages_total");
    EXPECT_EQ(family.type, prometheus::MetricType::Counter);
    for (const auto& metric : family.metric) {
      EXPECT_EQ(metric.label.at(0).name, "level");
      counts[metric.label.at(0).value] = metric.counter.value;
    }
  }
  return counts;
}

TEST(LogCollectorTest, EveryLevelIsThereBeforeItsFirstLine) {
  const auto counts = Counts();
  EXPECT_EQ(counts.size(), 3u);
  EXPECT_TRUE(counts.contains("info"));
  EXPECT_TRUE(counts.contains("warning"));
  EXPECT_TRUE(counts.contains("error"));
}

TEST(LogCollectorTest, ALineCountsAtItsLevelOnly) {
  auto expected = Counts();
  base::Log(base::LogLevel::kWarning, "one");
  base::Log(base::LogLevel::kError, "two");
  base::Log(base::LogLevel::kError, "three");
  expected["warning"] += 1;
  expected["error"] += 2;
  EXPECT_EQ(Counts(), expected);
}

}  // namespace
}  // namespace cooper::metrics
