#include "server/engine/memory/session_store.h"

#include <algorithm>

#include "server/engine/core/end_status.h"

namespace cooper::engine {
namespace {

constexpr int kContexts = 2;  // of a session

absl::Status NotFound() {
  return ErrorStatus(ErrorReason::kSessionNotFound,
                     "no such session; it may have expired or been dropped");
}

}  // namespace

using Holder = KvLedger::Holder;

absl::StatusOr<SessionFacts> SessionStore::Claim(const std::string& id,
                                                 const std::string& client) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.client != client) {
    return NotFound();
  }
  if (found->second.use != Use::kIdle) {
    return ErrorStatus(ErrorReason::kSessionBusy,
                       "a turn of the session is under way");
  }
  found->second.use = Use::kClaimed;
  return found->second.facts;
}

absl::StatusOr<SessionContexts> SessionStore::Begin(const std::string& id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return NotFound();
  Session& session = found->second;
  session.use = Use::kRunning;
  SessionContexts forks;
  forks.cond = session.contexts.cond->Fork();
  if (session.contexts.no_image != nullptr) {
    forks.no_image = session.contexts.no_image->Fork();
  }
  return forks;
}

int64_t SessionStore::HeldBy(const std::string& id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? 0 : found->second.held;
}

int64_t SessionStore::PositionOf(const std::string& id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() || found->second.contexts.cond == nullptr
             ? 0
             : found->second.contexts.cond->next_position();
}

void SessionStore::Release(const std::string& id, absl::Time now) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  found->second.use = Use::kIdle;
  found->second.last_used = now;
}

int64_t SessionStore::Keep(const std::string& id, const std::string& client,
                           const SessionFacts& facts, SessionContexts contexts,
                           int64_t most_tokens, absl::Time now) {
  int64_t tokens = contexts.cond->cache_length();
  if (contexts.no_image != nullptr &&
      contexts.no_image->lineage() != contexts.cond->lineage()) {
    tokens += contexts.no_image->cache_length() - facts.shared_tokens;
  }
  const int64_t held =
      std::min(ledger_->WithPages(tokens, kContexts), most_tokens);
  const auto old = sessions_.find(id);
  if (old != sessions_.end()) Drop(old);
  while (held <= max_tokens_ && held_tokens() + held > max_tokens_) {
    const auto oldest = LeastRecentlyUsed(id);
    if (oldest == sessions_.end()) break;
    Drop(oldest);
    ++counts_.quota;
  }
  if (held_tokens() + held > max_tokens_ ||
      !ledger_->Reserve(Holder::kSessions, held)) {
    ++counts_.quota;
    return 0;
  }
  sessions_[id] = {client, facts, std::move(contexts), held, Use::kIdle, now};
  return held;
}

bool SessionStore::EvictForRequest(const std::string& except) {
  const auto oldest = LeastRecentlyUsed(except);
  if (oldest == sessions_.end()) return false;
  Drop(oldest);
  ++counts_.memory;
  return true;
}

int64_t SessionStore::evictable_tokens(const std::string& except) const {
  int64_t tokens = 0;
  for (const auto& [id, session] : sessions_) {
    if (id != except && session.use != Use::kRunning) tokens += session.held;
  }
  return tokens;
}

// Nobody's before one that a waiting turn asked for.
SessionStore::Sessions::iterator SessionStore::LeastRecentlyUsed(
    const std::string& except) {
  auto oldest = sessions_.end();
  for (auto i = sessions_.begin(); i != sessions_.end(); ++i) {
    if (i->first == except || i->second.use == Use::kRunning) continue;
    if (oldest == sessions_.end() ||
        std::pair(i->second.use, i->second.last_used) <
            std::pair(oldest->second.use, oldest->second.last_used)) {
      oldest = i;
    }
  }
  return oldest;
}

void SessionStore::Expire(absl::Time now) {
  for (auto i = sessions_.begin(); i != sessions_.end();) {
    const auto session = i++;
    if (session->second.use != Use::kIdle ||
        session->second.last_used + ttl_ > now) {
      continue;
    }
    Drop(session);
    ++counts_.expired;
  }
}

absl::Time SessionStore::next_expiry() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [id, session] : sessions_) {
    if (session.use == Use::kIdle) {
      next = std::min(next, session.last_used + ttl_);
    }
  }
  return next;
}

void SessionStore::Drop(Sessions::iterator session) {
  ledger_->Release(Holder::kSessions, session->second.held);
  sessions_.erase(session);
}

void SessionStore::Clear() {
  while (!sessions_.empty()) Drop(sessions_.begin());
}

}  // namespace cooper::engine
