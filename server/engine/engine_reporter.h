#ifndef COOPER_SERVER_ENGINE_ENGINE_REPORTER_H_
#define COOPER_SERVER_ENGINE_ENGINE_REPORTER_H_

#include "absl/time/time.h"
#include "model/unified_model.h"
#include "server/engine/engine_options.h"
#include "server/engine/memory/kv_budget.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// Publishes what the engine thread knows of the load and of memory. Not
// thread-safe: belongs to the engine thread.
class EngineReporter {
 public:
  // Both outlive it.
  EngineReporter(const model::UnifiedModel* model,
                 metrics::ServerMetrics* metrics)
      : model_(model), metrics_(metrics) {}

  // After each iteration.
  void Report(const EngineLoad& load, KvBudget* kv, absl::Time now);

 private:
  void ReportKv(const KvBudget::Report& report, int64_t capacity_bytes);
  void ReportGpuMemory(absl::Time now);

  const model::UnifiedModel* const model_;
  metrics::ServerMetrics* const metrics_;
  absl::Time gpu_memory_due_ = absl::InfinitePast();
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_ENGINE_REPORTER_H_
