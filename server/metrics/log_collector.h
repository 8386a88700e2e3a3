#ifndef COOPER_SERVER_METRICS_LOG_COLLECTOR_H_
#define COOPER_SERVER_METRICS_LOG_COLLECTOR_H_

#include <prometheus/collectable.h>

#include <vector>

namespace cooper::metrics {

// cooper_log_messages_total: lines that the process has logged, by level;
// cooper_log_lines_dropped_total: those of them that could not be written.
// Asked of base/logging.h and base/log_thread.h at each scrape. Thread-safe;
// holds nothing.
class LogCollector : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_LOG_COLLECTOR_H_
