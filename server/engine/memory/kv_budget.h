#ifndef COOPER_SERVER_ENGINE_MEMORY_KV_BUDGET_H_
#define COOPER_SERVER_ENGINE_MEMORY_KV_BUDGET_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "model/unified_model.h"
#include "server/engine/core/request.h"
#include "server/engine/memory/kv_ledger.h"
#include "server/engine/memory/prefix_cache.h"
#include "server/engine/memory/session_store.h"

namespace cooper::engine {

// The KV pool and its holders: running requests, the prefix cache and idle
// sessions.
//
// A request reserves its worst case before it starts, so that a running request
// never runs out of KV memory. Before one has to wait, cached prefixes are
// evicted, then idle sessions, then sessions that a waiting turn claimed; never
// a session whose turn runs.
//
// Not thread-safe: belongs to the engine thread, as the contexts in it.
class KvBudget {
 public:
  struct Options {
    // As in EngineOptions. Bytes below 0: a quarter of the pool.
    int64_t prefix_cache_bytes = -1;
    int64_t session_bytes = -1;
    absl::Duration session_ttl;
  };
  // What is published; counts since the last report.
  struct Report {
    KvLedger::Split used;  // bytes
    int sessions = 0;
    PrefixCache::Counts prefixes;
    SessionStore::Counts evicted_sessions;
  };

  // The facts of the pool are those of `info`.
  KvBudget(const model::ModelInfo& info, const Options& options);

  int64_t capacity_tokens() const { return ledger_.capacity(); }
  int64_t free_tokens() const { return ledger_.free(); }
  // What `tokens` on `contexts` contexts can take, in whole pages.
  int64_t WithPages(int64_t tokens, int contexts) const {
    return ledger_.WithPages(tokens, contexts);
  }

  // Reserves `tokens` for a request. `session`: the session of its turn, which
  // is not evicted for it; may be empty. False, and nothing is changed, if even
  // evicting all that may be evicted would not do.
  bool Reserve(int64_t tokens, const std::string& session);
  void Release(int64_t tokens);
  // As Release, but keeps `contexts`, in place of what the session held, with a
  // part of what is released. Returns the tokens that the session holds now; 0:
  // there was no room, and the session is gone.
  int64_t ReleaseAndKeep(int64_t tokens, const SessionUse& session,
                         const std::string& client, const SessionFacts& facts,
                         SessionContexts contexts, absl::Time now);

  // null: prefix caching is disabled.
  PrefixCache* prefixes() {
    return prefixes_.CanHold(1) ? &prefixes_ : nullptr;
  }
  SessionStore& sessions() { return sessions_; }
  const SessionStore& sessions() const { return sessions_; }
  // A new batch begins: what the last one encoded is in the prefix cache.
  void EndBatch() { prefixes_.EndBatch(); }

  // `used_bytes`: of the model's pool.
  Report TakeReport(int64_t used_bytes);
  // Drops all contexts.
  void Clear();

 private:
  const int64_t bytes_per_token_;
  KvLedger ledger_;
  PrefixCache prefixes_;
  SessionStore sessions_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_MEMORY_KV_BUDGET_H_
