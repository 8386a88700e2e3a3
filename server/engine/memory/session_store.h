#ifndef COOPER_SERVER_ENGINE_MEMORY_SESSION_STORE_H_
#define COOPER_SERVER_ENGINE_MEMORY_SESSION_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/unified_model.h"
#include "server/engine/core/request.h"
#include "server/engine/memory/kv_ledger.h"

namespace cooper::engine {

// The contexts of a conversation between its turns.
struct SessionContexts {
  std::unique_ptr<model::Context> cond;
  std::unique_ptr<model::Context> no_image;  // null in text-only mode
};

// Conversations between (and during) their turns: forks of their contexts,
// under a time to live and a quota of the KV pool. Who is over the quota, or
// in the way of a request, goes in the order of last use; a session whose turn
// runs never does. A session belongs to its client: others do not find it.
//
// Not thread-safe: the engine thread's, as the contexts in it.
class SessionStore {
 public:
  // Sessions dropped, by why.
  struct Counts {
    int64_t expired = 0;
    int64_t quota = 0;   // for other sessions, or too large itself
    int64_t memory = 0;  // for requests
  };

  // Never holds more than `max_tokens`. `ledger` outlives it.
  SessionStore(KvLedger* ledger, absl::Duration ttl, int64_t max_tokens)
      : ledger_(ledger), ttl_(ttl), max_tokens_(max_tokens) {}
  ~SessionStore() { Clear(); }
  SessionStore(const SessionStore&) = delete;
  SessionStore& operator=(const SessionStore&) = delete;

  // A turn of `client` asks for the session; until Release or Keep no other
  // turn may. NOT_FOUND SESSION_NOT_FOUND; FAILED_PRECONDITION SESSION_BUSY.
  absl::StatusOr<SessionFacts> Claim(const std::string& id,
                                     const std::string& client);
  // Forks of a claimed session's contexts, for its turn to begin; from now on
  // it is not evicted. NOT_FOUND: it was, while the turn waited.
  absl::StatusOr<SessionContexts> Begin(const std::string& id);
  // Tokens that a session holds of the pool; 0: there is none.
  int64_t HeldBy(const std::string& id) const;
  // Position that follows a session's context; 0: there is none.
  int64_t PositionOf(const std::string& id) const;
  // The claimed turn ended and changed nothing. The time to live starts anew.
  void Release(const std::string& id, absl::Time now);
  // Puts `contexts` in place of what the session held, if there was one, and
  // ends its claim. `most_tokens`: what they can hold at most. Returns what
  // they are counted with; 0: there is no room, the session is gone.
  int64_t Keep(const std::string& id, const std::string& client,
               const SessionFacts& facts, SessionContexts contexts,
               int64_t most_tokens, absl::Time now);

  // Drops the least recently used session but `except` and those whose turn
  // runs, for a request; false: there is none.
  bool EvictForRequest(const std::string& except);
  // Tokens that EvictForRequest can free.
  int64_t evictable_tokens(const std::string& except) const;
  void Expire(absl::Time now);
  // When Expire has something to do; may be InfiniteFuture.
  absl::Time next_expiry() const;
  void Clear();

  absl::Duration ttl() const { return ttl_; }
  int sessions() const { return static_cast<int>(sessions_.size()); }
  int64_t held_tokens() const {
    return ledger_->held(KvLedger::Holder::kSessions);
  }
  // Since the last call.
  Counts TakeCounts() { return std::exchange(counts_, {}); }

 private:
  enum class Use { kIdle, kClaimed, kRunning };
  struct Session {
    std::string client;
    SessionFacts facts;
    SessionContexts contexts;
    int64_t held = 0;
    Use use = Use::kIdle;
    absl::Time last_used;
  };
  using Sessions = std::map<std::string, Session>;

  void Drop(Sessions::iterator session);
  // The one to go next; end(): none may.
  Sessions::iterator LeastRecentlyUsed(const std::string& except);

  KvLedger* const ledger_;
  const absl::Duration ttl_;
  const int64_t max_tokens_;
  Sessions sessions_;
  Counts counts_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_MEMORY_SESSION_STORE_H_
