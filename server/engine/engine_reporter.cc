#include "server/engine/engine_reporter.h"

#include <optional>

namespace cooper::engine {
namespace {

// Asking a GPU takes longer than an iteration should.
constexpr absl::Duration kGpuMemoryPeriod = absl::Seconds(1);

}  // namespace

void EngineReporter::Report(const EngineLoad& load, KvBudget* kv,
                            absl::Time now) {
  metrics_->SetLoad(load.queued, load.running);
  const model::KvUsage usage = model_->kv_usage();
  ReportKv(kv->TakeReport(usage.used_bytes), usage.capacity_bytes);
  ReportGpuMemory(now);
}

void EngineReporter::ReportKv(const KvBudget::Report& report,
                              int64_t capacity_bytes) {
  using metrics::SessionEviction;
  metrics_->SetKv(report.used.requests, capacity_bytes);
  metrics_->SetPrefixCacheBytes(report.used.prefix_cache);
  metrics_->SetSessions(report.sessions, report.used.sessions);
  metrics_->SessionsEvicted(SessionEviction::kExpired,
                            report.evicted_sessions.expired);
  metrics_->SessionsEvicted(SessionEviction::kQuota,
                            report.evicted_sessions.quota);
  metrics_->SessionsEvicted(SessionEviction::kMemory,
                            report.evicted_sessions.memory);
  metrics_->PrefixCacheUsed(report.prefixes.queried_tokens,
                            report.prefixes.hit_tokens,
                            report.prefixes.evictions);
}

void EngineReporter::ReportGpuMemory(absl::Time now) {
  if (now < gpu_memory_due_) return;
  gpu_memory_due_ = now + kGpuMemoryPeriod;
  const std::optional<model::GpuMemory> memory = model_->gpu_memory();
  if (!memory.has_value()) return;
  metrics_->SetGpuMemory(memory->allocated_bytes, memory->reserved_bytes,
                         memory->free_bytes);
}

}  // namespace cooper::engine
