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
    if (family.name == "cooper_log_lines_dropped_total") continue;
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

TEST(LogCollectorTest, DroppedLinesAreThereBeforeTheFirst) {
  const auto families = LogCollector().Collect();
  ASSERT_EQ(families.size(), 2u);
  EXPECT_EQ(families[1].name, "cooper_log_lines_dropped_total");
  EXPECT_EQ(families[1].type, prometheus::MetricType::Counter);
  ASSERT_EQ(families[1].metric.size(), 1u);
  EXPECT_EQ(families[1].metric[0].counter.value, 0);
}

}  // namespace
}  // namespace cooper::metrics
