#ifndef COOPER_SERVER_ENGINE_ENGINE_LOOP_H_
#define COOPER_SERVER_ENGINE_ENGINE_LOOP_H_

#include <atomic>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/worker_pool.h"
#include "model/unified_model.h"
#include "server/engine/core/error.h"
#include "server/engine/engine.h"
#include "server/engine/execution/preparer.h"
#include "server/engine/inbox.h"
#include "server/engine/job.h"
#include "server/engine/memory/kv_ledger.h"
#include "server/engine/memory/prefix_cache.h"
#include "server/engine/memory/session_store.h"
#include "server/engine/schedule/admission.h"
#include "server/engine/schedule/cost_estimator.h"
#include "server/engine/schedule/fair_share.h"
#include "server/engine/schedule/scheduler.h"
#include "server/engine/wave_runner.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// The engine thread and the two pools beside it. The thread is the only one
// that calls the model and that touches a Job's state; everybody else posts to
// its inbox. It waits on the inbox, never on anything else.
//
// One turn of it: end what was cancelled or is late, do what was posted, start
// what waits, run one wave.
class EngineLoop {
 public:
  // All outlive it. `thread` as Engine's.
  EngineLoop(model::UnifiedModel* model, metrics::ServerMetrics* metrics,
             const base::Clock* clock, const EngineOptions& options,
             Admission* admission, std::unique_ptr<base::WorkerPool> thread);
  // No request may be open. Stops the thread and joins.
  ~EngineLoop();

  // Thread-safe, as all that follows. The request was admitted.
  void Add(Request request, std::unique_ptr<EventSink> sink);
  void Wake() { inbox_.Wake(); }
  // Ends every request with UNAVAILABLE DRAINING.
  void EndAll();
  Engine::Load load() const;
  absl::Time last_step() const;

 private:
  using JobList = std::list<std::shared_ptr<Job>>;

  void Run();
  // A turn; whether there was a wave to run. Not OK: the device failed.
  absl::StatusOr<bool> Turn();
  absl::StatusOr<bool> GuardedTurn();
  void EndCancelled(absl::Time now);
  Job* NextToStart(Job::State state, absl::Time now);
  void StartPreparing(absl::Time now);
  void RefuseLate(absl::Time now);
  absl::Time QueueDeadline(const Job& job) const;
  absl::Status StartRunning(absl::Time now);
  bool ReserveForRequest(const Job& job, int64_t tokens);
  // What a job can hold beyond its session, in whole pages.
  int64_t TokensOf(const Job& job) const;
  // Whether a prepared job can ever run: INVALID_ARGUMENT or RESOURCE_EXHAUSTED
  // CONTEXT_TOO_LARGE where the model's positions or the KV pool do not do.
  absl::Status CheckSize(const Job& job) const;
  absl::StatusOr<bool> RunWave();
  absl::Status Begin(const Wave& wave, absl::Span<Job* const> jobs,
                     std::vector<Job*>* done);
  void ChargeClients();
  // Moves a job on until it needs a wave or a pool, or is at its end.
  absl::Status StartFlow(Job* job);
  absl::Status Settle(Job* job);
  void Prepare(Job* job);
  void Render(Job* job);
  void End(Job* job, const absl::Status& status);
  void LeaveRunning(Job* job);
  // Of conversations.
  void ClaimSession(Job* job);
  // Keeps the contexts of a turn that leaves the running ones; what it
  // reserved becomes free.
  void LeaveTurn(Job* job, SessionContexts contexts);
  void ReleaseSession(Job* job);
  void PublishSessions(int64_t kv_used_bytes);
  void FailAll(const absl::Status& cause);
  void Erase(Job* job);
  void PublishLoad();
  void PublishGpuMemory();
  absl::Duration UntilNextDeadline(absl::Time now) const;

  model::UnifiedModel* const model_;
  metrics::ServerMetrics* const metrics_;
  const base::Clock* const clock_;
  const EngineOptions options_;
  Admission* const admission_;
  const Preparer preparer_;

  // Of the engine thread.
  JobList jobs_;  // open ones, oldest first
  Scheduler scheduler_;
  CostEstimator costs_;
  WaveRunner runner_;
  FairShare fair_;
  KvLedger ledger_;
  PrefixCache prefixes_;
  SessionStore sessions_;
  int preparing_ = 0;         // and ready
  int normal_since_low_ = 0;  // started since one of low priority was
  absl::Status failure_;
  std::deque<Inbox::Task> tasks_;  // taken from the inbox
  absl::Status task_status_;       // the device's, as a task saw it

  absl::Time gpu_memory_due_ = absl::InfinitePast();

  std::atomic<int> running_{0};
  std::atomic<int> closing_{0};
  std::atomic<int64_t> last_step_ns_;
  std::atomic<bool> stop_{false};
  Inbox inbox_;
  // Last, so that they end first.
  std::unique_ptr<base::WorkerPool> prepare_pool_;
  std::unique_ptr<base::WorkerPool> encode_pool_;
  std::unique_ptr<base::WorkerPool> thread_;  // one
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_ENGINE_LOOP_H_
