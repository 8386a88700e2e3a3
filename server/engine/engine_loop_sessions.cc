// The part of EngineLoop that keeps conversations.

#include <algorithm>
#include <utility>

#include "server/engine/core/end_status.h"
#include "server/engine/engine_loop.h"

namespace cooper::engine {

// Looked at as soon as the turn comes, so that a wrong id is told at once, and
// so that no other turn begins while this one waits.
void EngineLoop::ClaimSession(Job* job) {
  SessionUse& session = *job->request.session;
  int64_t held = 0;
  if (session.resumed) {
    absl::StatusOr<SessionFacts> facts =
        sessions_.Claim(session.id, job->request.client);
    if (!facts.ok()) return End(job, facts.status());
    job->session_claimed = true;
    session.facts = *facts;
    if (facts->mode != std::get<ReasonTask>(job->request.task).mode) {
      return End(job, InvalidField("mode", "must be the session's own"));
    }
    held = sessions_.HeldBy(session.id);
  }
  job->events->Push(SessionEvent{session.id, sessions_.ttl(),
                                 held * model_->info().kv_bytes_per_token});
}

void EngineLoop::LeaveTurn(Job* job, SessionContexts contexts) {
  const int64_t reserved = job->kv_tokens;
  LeaveRunning(job);
  if (!job->request.session.has_value() || contexts.cond == nullptr) return;
  const std::string& id = job->request.session->id;
  const int64_t held = sessions_.Keep(
      id, job->request.client, job->session_facts, std::move(contexts),
      sessions_.HeldBy(id) + reserved, clock_->Now());
  job->session_claimed = false;
  job->events->Push(
      SessionEvent{id, held > 0 ? sessions_.ttl() : absl::ZeroDuration(),
                   held * model_->info().kv_bytes_per_token});
}

void EngineLoop::ReleaseSession(Job* job) {
  if (!std::exchange(job->session_claimed, false)) return;
  sessions_.Release(job->request.session->id, clock_->Now());
}

void EngineLoop::PublishSessions(int64_t kv_used_bytes) {
  using metrics::SessionEviction;
  metrics_->SetSessions(sessions_.sessions(), kv_used_bytes);
  const SessionStore::Counts counts = sessions_.TakeCounts();
  metrics_->SessionsEvicted(SessionEviction::kExpired, counts.expired);
  metrics_->SessionsEvicted(SessionEviction::kQuota, counts.quota);
  metrics_->SessionsEvicted(SessionEviction::kMemory, counts.memory);
}

}  // namespace cooper::engine
