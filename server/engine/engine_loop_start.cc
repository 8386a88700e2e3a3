// The part of EngineLoop that decides who waits, starts or is refused.

#include <memory>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "server/engine/core/end_status.h"
#include "server/engine/engine_loop.h"
#include "server/engine/schedule/start_order.h"

namespace cooper::engine {
namespace {

// An estimate has to pass what is left of a deadline by this factor before a
// request is refused for it: waves vary.
constexpr double kCaution = 0.75;

}  // namespace

// Of the jobs in `state`; null: there is none.
Job* EngineLoop::NextToStart(Job::State state, absl::Time now) {
  std::vector<Job*> jobs;
  std::vector<StartCandidate> candidates;
  for (const std::shared_ptr<Job>& job : jobs_) {
    if (job->state != state) continue;
    candidates.push_back({static_cast<int>(jobs.size()), job->request.priority,
                          now - job->admitted,
                          fair_.Lead(job->request.client)});
    jobs.push_back(job.get());
  }
  const std::optional<int> next =
      engine::NextToStart(candidates, normal_since_low_);
  return next.has_value() ? jobs[*next] : nullptr;
}

// Images are decoded for as many requests as can start soon, so that the
// pixels of a long queue are not all in memory.
void EngineLoop::StartPreparing(absl::Time now) {
  const int most = options_.max_running + options_.prepare_threads;
  while (preparing_ + running_ < most) {
    Job* job = NextToStart(Job::State::kWaiting, now);
    if (job == nullptr) return;
    Prepare(job);
  }
}

absl::Time EngineLoop::QueueDeadline(const Job& job) const {
  return options_.queue_timeout > absl::ZeroDuration()
             ? job.admitted + options_.queue_timeout
             : absl::InfiniteFuture();
}

// What cannot be done in time, or waited too long, is never run.
void EngineLoop::RefuseLate(absl::Time now) {
  for (const std::shared_ptr<Job>& job : jobs_) {
    if (!job->queued()) continue;
    if (QueueDeadline(*job) <= now) {
      End(job.get(), QueueTimeoutStatus(options_.queue_timeout));
      continue;
    }
    if (job->state != Job::State::kReady) continue;
    LeastWork work = job->prepared->least;
    // All of the prompt may be cached.
    if (prefixes_.CanHold(1)) work.prefill_rows = 0;
    const absl::Duration least = costs_.Estimate(work, now);
    const absl::Duration left = job->request.deadline - now;
    if (least * kCaution > left) End(job.get(), TooShortStatus(least, left));
  }
}

int64_t EngineLoop::TokensOf(const Job& job) const {
  // What is kept of a conversation are two forks more.
  const int contexts = job.request.session.has_value() ? kSlots + 2 : kSlots;
  return ledger_.WithPages(job.prepared->kv_tokens, contexts);
}

// What is kept for others gives way: beginnings first, then conversations.
bool EngineLoop::ReserveForRequest(const Job& job, int64_t tokens) {
  const std::string session =
      job.request.session.has_value() ? job.request.session->id : "";
  if (tokens > ledger_.free() + prefixes_.held_tokens() +
                   sessions_.evictable_tokens(session)) {
    return false;
  }
  while (!prefixes_.ReserveForRequest(tokens)) {
    if (!sessions_.EvictForRequest(session)) return false;
  }
  return true;
}

// Nobody overtakes a request that waits for memory, or it might wait for ever.
absl::Status EngineLoop::StartRunning(absl::Time now) {
  RefuseLate(now);
  while (running_ < options_.max_running) {
    Job* job = NextToStart(Job::State::kReady, now);
    if (job == nullptr) return absl::OkStatus();
    const int64_t tokens = TokensOf(*job);
    if (job->session_claimed &&
        sessions_.HeldBy(job->request.session->id) == 0) {
      End(job, ErrorStatus(ErrorReason::kSessionNotFound,
                           "the session was dropped while the turn waited"));
      continue;
    }
    if (!ReserveForRequest(*job, tokens)) return absl::OkStatus();
    job->kv_tokens = tokens;
    const bool low = job->request.priority == Priority::kLow;
    normal_since_low_ = low ? 0 : normal_since_low_ + 1;
    --preparing_;
    ++running_;
    job->state = Job::State::kRunning;
    job->usage.queued = now - job->admitted;
    job->waiting_since = now;
    metrics_->Queued(KindOf(job->request.task), job->usage.queued);
    job->trace.Add("queue", job->admitted, now);
    ExecutionSpec spec = std::move(job->prepared->spec);
    job->session_facts = job->prepared->facts;
    if (job->session_claimed) {
      spec.contexts = *sessions_.Begin(job->request.session->id);
    }
    job->prepared.reset();
    spec.noise = std::make_unique<model::SeededNoise>(job->request.seed);
    if (prefixes_.CanHold(1)) spec.prefixes = &prefixes_;
    job->execution = std::make_unique<Execution>(model_, std::move(spec), job);
    COOPER_RETURN_IF_ERROR(Settle(job));
  }
  return absl::OkStatus();
}

}  // namespace cooper::engine
