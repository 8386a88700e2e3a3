#include "server/kserve/inference_statistics.h"

#include <cstdint>

#include "server/engine/request_statistics.h"

namespace cooper::kserve {
namespace {

engine::RequestKind KindOf(InferenceTask task) {
  switch (task) {
    case InferenceTask::kReason:
      return engine::RequestKind::kReason;
    case InferenceTask::kDepth:
      return engine::RequestKind::kDepth;
    case InferenceTask::kSegmentation:
      break;
  }
  return engine::RequestKind::kSegmentation;
}

void Set(int64_t count, absl::Duration total,
         inference::StatisticDuration* duration) {
  duration->set_count(count);
  duration->set_ns(absl::ToInt64Nanoseconds(total));
}

}  // namespace

inference::ModelStatistics MakeInferenceStatistics(const InferenceModel& model,
                                                   const std::string& name,
                                                   const engine::Engine& engine,
                                                   absl::Time now,
                                                   absl::Time wall) {
  const engine::KindStatistics counts =
      engine.statistics().Of(KindOf(model.task));
  inference::ModelStatistics statistics;
  statistics.set_name(name);
  statistics.set_version(kInferenceVersion);
  if (counts.last > absl::InfinitePast()) {
    statistics.set_last_inference(
        absl::ToUnixMillis(wall - (now - counts.last)));
  }
  statistics.set_inference_count(counts.succeeded);
  statistics.set_execution_count(counts.succeeded);
  inference::InferStatistics* times = statistics.mutable_inference_stats();
  const int64_t succeeded = counts.succeeded;
  Set(succeeded, counts.succeeded_for, times->mutable_success());
  Set(counts.failed, counts.failed_for, times->mutable_fail());
  Set(succeeded, counts.queued, times->mutable_queue());
  Set(succeeded, counts.prepared, times->mutable_compute_input());
  Set(succeeded, counts.computed, times->mutable_compute_infer());
  Set(succeeded, counts.encoded, times->mutable_compute_output());
  return statistics;
}

}  // namespace cooper::kserve
