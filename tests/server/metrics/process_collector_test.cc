#include "server/metrics/process_collector.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <unistd.h>

#include <map>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace cooper::metrics {
namespace {

std::map<std::string, double> Values() {
  std::map<std::string, double> values;
  for (const auto& family : ProcessCollector().Collect()) {
    const auto& metric = family.metric.at(0);
    values[family.name] = family.type == prometheus::MetricType::Counter
                              ? metric.counter.value
                              : metric.gauge.value;
  }
  return values;
}

TEST(ProcessCollectorTest, ReportsAllFiguresOfThisProcess) {
  const auto values = Values();
  EXPECT_EQ(values.size(), 5u);
  EXPECT_GT(values.at("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(values.at("process_max_fds"), 0);
}

TEST(ProcessCollectorTest, StartTimeIsShortlyBeforeNow) {
  const double age = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()) -
                     Values().at("process_start_time_seconds");
  EXPECT_GE(age, -2);
  EXPECT_LT(age, 600);
}

TEST(ProcessCollectorTest, CountsAnOpenedFile) {
  const double before = Values().at("process_open_fds");
  const int fd = open("/dev/null", O_RDONLY);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(Values().at("process_open_fds"), before + 1);
  close(fd);
  EXPECT_EQ(Values().at("process_open_fds"), before);
}

TEST(ProcessCollectorTest, ProcessorTimeNeverFalls) {
  const double before = Values().at("process_cpu_seconds_total");
  volatile double sink = 0;
  for (int i = 0; i < 20000000; ++i) sink = sink + i;
  EXPECT_GT(Values().at("process_cpu_seconds_total"), before);
}

}  // namespace
}  // namespace cooper::metrics
