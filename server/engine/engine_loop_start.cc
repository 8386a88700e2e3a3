// The part of EngineLoop that starts requests.

#include <memory>
#include <utility>

#include "server/base/status_macros.h"
#include "server/engine/engine_loop.h"

namespace cooper::engine {

// Images are decoded for as many requests as can start soon, so that the
// pixels of a long queue are not all in memory.
void EngineLoop::StartPreparing() {
  const int most = options_.max_running + options_.prepare_threads;
  for (const std::shared_ptr<Job>& job : jobs_) {
    if (preparing_ + running_ >= most) return;
    if (job->state == Job::State::kWaiting) Prepare(job.get());
  }
}

// First come, first served; nobody overtakes a request that waits for memory,
// or it might wait for ever.
absl::Status EngineLoop::StartRunning(absl::Time now) {
  for (const std::shared_ptr<Job>& job : jobs_) {
    if (running_ >= options_.max_running) return absl::OkStatus();
    if (job->state != Job::State::kReady) continue;
    const int64_t tokens = ledger_.WithPages(job->prepared->kv_tokens, kSlots);
    if (!prefixes_.ReserveForRequest(tokens)) return absl::OkStatus();
    job->kv_tokens = tokens;
    --preparing_;
    ++running_;
    job->state = Job::State::kRunning;
    job->usage.queued = now - job->admitted;
    job->waiting_since = now;
    metrics_->Queued(job->kind(), job->usage.queued);
    ExecutionSpec spec = std::move(job->prepared->spec);
    job->prepared.reset();
    spec.noise = std::make_unique<model::SeededNoise>(job->request.seed);
    spec.prefixes = &prefixes_;
    job->execution =
        std::make_unique<Execution>(model_, std::move(spec), job.get());
    COOPER_RETURN_IF_ERROR(Settle(job.get()));
  }
  return absl::OkStatus();
}

}  // namespace cooper::engine
