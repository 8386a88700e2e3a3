#ifndef COOPER_SERVER_ENGINE_WAVE_RUNNER_H_
#define COOPER_SERVER_ENGINE_WAVE_RUNNER_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/unified_model.h"
#include "server/base/clock.h"
#include "server/engine/cost_estimator.h"
#include "server/engine/job.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// Does waves on the model: gathers the items of the jobs' executions, makes
// the call, hands the results back, and counts the time. Engine thread only.
//
// Errors: a status that is not OK is the device's failure, after which the
// model must not be used. What concerns one job alone is in its execution.
class WaveRunner {
 public:
  // All outlive it. What waves take is told to `costs`.
  WaveRunner(model::UnifiedModel* model, metrics::ServerMetrics* metrics,
             const base::Clock* clock, CostEstimator* costs)
      : model_(model), metrics_(metrics), clock_(clock), costs_(costs) {}

  absl::Status Decode(absl::Span<Job* const> jobs);
  absl::Status Append(absl::Span<Job* const> jobs, int64_t max_rows);
  absl::Status DecodeLatents(absl::Span<Job* const> jobs);

  // One Euler step of several jobs' flows, slice by slice.
  absl::Status BeginFlowStep(absl::Span<Job* const> jobs);
  // Runs a slice; at the end of the step the jobs are moved to `done`.
  absl::Status RunFlowSlice(absl::Duration budget, std::vector<Job*>* done);
  // Takes a job out of the step under way, if it is in it. Must come before
  // its execution is destroyed.
  void DropFlow(Job* job);
  bool flow_under_way() const { return step_ != nullptr; }
  bool InFlowStep(const Job* job) const;
  // Forgets the step, as after a failure.
  void AbandonFlowStep();

 private:
  void CountAppend(absl::Span<const model::AppendItem> items,
                   absl::Duration took);

  model::UnifiedModel* const model_;
  metrics::ServerMetrics* const metrics_;
  const base::Clock* const clock_;
  CostEstimator* const costs_;
  std::unique_ptr<model::FlowStep> step_;
  // Who is in the step, with the rows that it began with: a flow's own count is
  // the next step's once a step is done.
  struct Member {
    Job* job;
    int64_t rows;
  };
  std::vector<Member> members_;
  int64_t step_rows_ = 0;  // of all, those that left it too
  absl::Duration step_took_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_WAVE_RUNNER_H_
