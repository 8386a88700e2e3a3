#include "server/metrics/log_collector.h"

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include <utility>

#include "base/log_thread.h"
#include "base/logging.h"

namespace cooper::metrics {

std::vector<prometheus::MetricFamily> LogCollector::Collect() const {
  using base::LogLevel;
  prometheus::MetricFamily family{"cooper_log_messages_total",
                                  "Lines logged, by level.",
                                  prometheus::MetricType::Counter,
                                  {}};
  for (const LogLevel level :
       {LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    prometheus::ClientMetric metric;
    metric.label = {{"level", base::NameOf(level)}};
    metric.counter.value = static_cast<double>(base::LinesLogged(level));
    family.metric.push_back(std::move(metric));
  }
  prometheus::MetricFamily dropped{
      "cooper_log_lines_dropped_total",
      "Log lines dropped because standard error did not take them.",
      prometheus::MetricType::Counter,
      {}};
  dropped.metric.emplace_back().counter.value =
      static_cast<double>(base::LinesDropped());
  return {std::move(family), std::move(dropped)};
}

}  // namespace cooper::metrics
