#ifndef COOPER_SERVER_METRICS_PROCESS_COLLECTOR_H_
#define COOPER_SERVER_METRICS_PROCESS_COLLECTOR_H_

#include <prometheus/collectable.h>

#include <vector>

namespace cooper::metrics {

// The process's own figures under their usual names (process_*), read from
// /proc/self at each scrape. A figure that cannot be read is left out of that
// scrape. Thread-safe; holds nothing.
class ProcessCollector : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace cooper::metrics

#endif  // COOPER_SERVER_METRICS_PROCESS_COLLECTOR_H_
