#ifndef COOPER_SERVER_ENGINE_ENGINE_LOOP_H_
#define COOPER_SERVER_ENGINE_ENGINE_LOOP_H_

#include <atomic>
#include <deque>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/worker_pool.h"
#include "model/unified_model.h"
#include "server/engine/batch_runner.h"
#include "server/engine/engine_options.h"
#include "server/engine/engine_reporter.h"
#include "server/engine/inbox.h"
#include "server/engine/job.h"
#include "server/engine/job_state.h"
#include "server/engine/memory/kv_budget.h"
#include "server/engine/prepare_pool.h"
#include "server/engine/request_statistics.h"
#include "server/engine/schedule/admission.h"
#include "server/engine/schedule/scheduler.h"
#include "server/engine/schedule/starter.h"
#include "server/engine/waiting_jobs.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// The engine thread and the two pools beside it. The thread is the only one
// that calls the model and that touches a Job's state; all others post to its
// inbox. It waits on the inbox, never on anything else.
//
// Each iteration of the thread ends what was cancelled or is late, does what
// was posted, starts what waits (Starter, KvBudget), and runs one batch
// (Scheduler, BatchRunner).
class EngineLoop {
 public:
  // All outlive it. `thread` as Engine's.
  EngineLoop(model::UnifiedModel* model, metrics::ServerMetrics* metrics,
             const base::Clock* clock, const EngineOptions& options,
             Admission* admission, std::unique_ptr<base::WorkerPool> thread);
  // No request may be open. Stops the thread and joins.
  ~EngineLoop();

  // Thread-safe, as all that follows. The request was admitted.
  void Add(Request request, std::unique_ptr<EventSink> sink)
      ABSL_LOCKS_EXCLUDED(open_mutex_);
  void Wake() { inbox_.Wake(); }
  // Ends every request with UNAVAILABLE DRAINING.
  void EndAll();
  // As Engine's.
  void GiveUp() ABSL_LOCKS_EXCLUDED(open_mutex_);
  EngineLoad load() const { return counts_.load(); }
  absl::Time last_step() const { return absl::FromUnixNanos(last_step_ns_); }
  const RequestStatistics& statistics() const { return statistics_; }

 private:
  void Run();
  // An iteration; whether there was a batch to run. Not OK: the device failed.
  absl::StatusOr<bool> RunOnce();
  absl::StatusOr<bool> GuardedRunOnce();

  // ---- Which jobs start
  void StartPreparing(absl::Time now);
  absl::Status StartRunning(absl::Time now);
  RequestSize SizeOf(const Job& job) const;

  // ---- A job's way
  void Opened(const std::shared_ptr<Job>& job);
  void ClaimSession(Job* job);
  void OnPrepared(Job* job, absl::StatusOr<PreparedRequest> prepared);
  void OnRendered(Job* job,
                  const absl::StatusOr<std::shared_ptr<const DrawnMap>>& map);
  // Moves a job on until it needs a batch or a pool, or is at its end.
  absl::Status Advance(Job* job);
  void End(Job* job, const absl::Status& status);
  // Takes a job's reservation back; a turn's contexts are kept. `finished`: it
  // ran to its end.
  void LeaveRunning(Job* job, SessionContexts contexts, bool finished);
  void Close(Job* job) ABSL_LOCKS_EXCLUDED(open_mutex_);
  void FailAll(const absl::Status& cause);

  // ---- Batches
  absl::StatusOr<bool> RunBatch();
  absl::Duration UntilNextDeadline(absl::Time now) const;

  model::UnifiedModel* const model_;
  metrics::ServerMetrics* const metrics_;
  const base::Clock* const clock_;
  const EngineOptions options_;
  Admission* const admission_;
  JobCounts counts_;
  RequestStatistics statistics_;

  // Of the engine thread.
  JobList jobs_;  // open ones, oldest first
  KvBudget kv_;
  Starter starter_;
  Scheduler scheduler_;
  BatchRunner runner_;
  WaitingJobs waiting_;
  EngineReporter reporter_;
  absl::Status failure_;
  std::deque<Inbox::Task> tasks_;  // taken from the inbox
  absl::Status task_status_;       // the device's, as a task saw it

  // Of any thread, for GiveUp: the jobs that are not closed.
  base::Mutex open_mutex_;
  std::map<const Job*, std::weak_ptr<Job>> open_ ABSL_GUARDED_BY(open_mutex_);

  std::atomic<int64_t> last_step_ns_;
  std::atomic<bool> stop_{false};
  Inbox inbox_;
  // Last, so that they end first.
  std::unique_ptr<PreparePool> prepare_pool_;
  std::unique_ptr<base::WorkerPool> encode_pool_;
  std::unique_ptr<base::WorkerPool> thread_;  // one
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_ENGINE_LOOP_H_
