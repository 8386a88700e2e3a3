#include "server/engine/memory/kv_budget.h"

#include <utility>

namespace cooper::engine {
namespace {

// Tokens in `bytes` of the pool; below 0: a quarter of it.
int64_t TokensIn(int64_t bytes, const model::ModelInfo& info) {
  if (bytes < 0) return info.kv_capacity_tokens / 4;
  if (info.kv_bytes_per_token <= 0) return 0;
  return bytes / info.kv_bytes_per_token;
}

}  // namespace

KvBudget::KvBudget(const model::ModelInfo& info, const Options& options)
    : bytes_per_token_(info.kv_bytes_per_token),
      ledger_(info.kv_capacity_tokens, info.kv_page_tokens),
      prefixes_(&ledger_, TokensIn(options.prefix_cache_bytes, info)),
      sessions_(&ledger_, options.session_ttl,
                TokensIn(options.session_bytes, info)) {}

bool KvBudget::Reserve(int64_t tokens, const std::string& session) {
  if (tokens > ledger_.free() + prefixes_.held_tokens() +
                   sessions_.evictable_tokens(session)) {
    return false;
  }
  while (!prefixes_.ReserveForRequest(tokens)) {
    if (!sessions_.EvictForRequest(session)) return false;
  }
  return true;
}

void KvBudget::Release(int64_t tokens) {
  ledger_.Release(KvLedger::Holder::kRequests, tokens);
}

int64_t KvBudget::ReleaseAndKeep(int64_t tokens, const SessionUse& session,
                                 const std::string& client,
                                 const SessionFacts& facts,
                                 SessionContexts contexts, absl::Time now) {
  Release(tokens);
  return sessions_.Keep(session.id, client, facts, std::move(contexts),
                        sessions_.HeldBy(session.id) + tokens, now);
}

KvBudget::Report KvBudget::TakeReport(int64_t used_bytes) {
  return {ledger_.SplitUsed(used_bytes, bytes_per_token_), sessions_.sessions(),
          prefixes_.TakeCounts(), sessions_.TakeCounts()};
}

void KvBudget::Clear() {
  prefixes_.Clear();
  sessions_.Clear();
}

}  // namespace cooper::engine
