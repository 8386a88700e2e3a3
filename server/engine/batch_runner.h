#ifndef COOPER_SERVER_ENGINE_BATCH_RUNNER_H_
#define COOPER_SERVER_ENGINE_BATCH_RUNNER_H_

#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "model/unified_model.h"
#include "server/engine/job.h"
#include "server/engine/schedule/cost_estimator.h"
#include "server/engine/schedule/scheduler.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// Does batches on the model: gathers the items of the jobs' executions, makes
// the call, hands the results back, and counts the time. Texts go token by
// token; all else goes slice by slice, and of each kind one batch at a time may
// be under way. Engine thread only.
//
// Where the device's memory runs out in a batch, each of its jobs is run again,
// once and alone; a job for which it runs out then fails with GPU_MEMORY.
//
// Errors: a status that is not OK is the device's failure, after which the
// model must not be used. What concerns one job alone is in its execution.
class BatchRunner {
 public:
  // All outlive it. What batches take is told to `costs`.
  BatchRunner(model::UnifiedModel* model, metrics::ServerMetrics* metrics,
              const base::Clock* clock, CostEstimator* costs)
      : model_(model), metrics_(metrics), clock_(clock), costs_(costs) {}

  absl::Status Decode(absl::Span<Job* const> jobs);

  // Starts the denoiser of a job whose execution is at kDenoiseStart.
  absl::Status StartDenoise(Job* job);

  // Begins a batch of a kind of which none is under way; its first slice is yet
  // to run. kPrefill: of each job's rows at most `max_rows`. kVaeDecode: one
  // job. Moved to `done` are jobs that failed, and jobs that need nothing of
  // the model, since all is in the prefix cache or is being encoded by another.
  absl::Status Begin(BatchKind kind, absl::Span<Job* const> jobs,
                     int64_t max_rows, std::vector<Job*>* done);

  // A slice of the batch under way. At its end its jobs are moved to `done`,
  // and their executions have the results. Jobs that are run again alone are
  // the batch's until the last of them is done.
  absl::Status RunSlice(BatchKind kind, absl::Duration budget,
                        std::vector<Job*>* done);

  std::vector<BatchKind> under_way();
  bool Holds(const Job* job) const;
  // Takes a job out of the batch that it is in, if it is in one. Must come
  // before its execution is destroyed.
  void Drop(Job* job);
  // Forgets all that is under way, as after a failure.
  void Abandon();

 private:
  struct Member {
    Job* job;
    // As the batch began: a denoiser's own count is the next step's at its end.
    int64_t rows;
    size_t first_item = 0;  // of prefill_items_
    size_t items = 0;
  };
  struct Sliced {
    std::vector<Member> members;  // of the step under way
    int64_t rows = 0;             // of all, those that left it too
    absl::Duration took;
    bool retried = false;      // its jobs are being run again, one by one
    std::deque<Member> alone;  // those whose turn is yet to come
  };
  Sliced& Of(BatchKind kind);
  model::Step* StepOf(BatchKind kind) const;
  absl::Status BeginPrefill(absl::Span<Job* const> jobs, int64_t max_rows,
                            std::vector<Job*>* done);
  absl::Status BeginDenoise(absl::Span<Job* const> jobs,
                            std::vector<Job*>* done);
  absl::Status BeginVaeDecode(Job* job, std::vector<Job*>* done);
  // Of its members.
  absl::Status BeginStep(BatchKind kind, std::vector<Job*>* done);
  absl::Status BeginNextAlone(BatchKind kind, std::vector<Job*>* done);
  absl::Status MakeStep(BatchKind kind);
  void ResetStep(BatchKind kind);
  void OutOfMemory(BatchKind kind, std::vector<Job*>* done);
  absl::Status DecodeOnce(absl::Span<Job* const> jobs);
  // The members of the step are done; what is to be run alone stays.
  void EndMembers(BatchKind kind);
  void Forget(BatchKind kind);
  void DropFrom(BatchKind kind, const Member& member);
  void EndPrefill();
  void EndDenoise();
  void EndVaeDecode();
  void CountPrefill(absl::Duration took);

  model::UnifiedModel* const model_;
  metrics::ServerMetrics* const metrics_;
  const base::Clock* const clock_;
  CostEstimator* const costs_;

  Sliced prefill_, denoise_, vae_decode_;
  std::vector<model::PrefillItem> prefill_items_;
  model::VaeDecodeItem vae_decode_item_;
  // Last: they point to what is above.
  std::unique_ptr<model::PrefillStep> prefill_step_;
  std::unique_ptr<model::DenoiseStep> denoise_step_;
  std::unique_ptr<model::Step> vae_decode_step_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_BATCH_RUNNER_H_
