#ifndef COOPER_SERVER_ENGINE_MEMORY_PREFIX_CACHE_H_
#define COOPER_SERVER_ENGINE_MEMORY_PREFIX_CACHE_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "base/digest.h"
#include "model/unified_model.h"
#include "server/engine/memory/kv_ledger.h"

namespace cooper::engine {

// Contexts that begin as requests begin: a tree of forks, one for each border
// between input segments, keyed by the digest of all the content up to there
// (prefix_key.h). Whoever appends what is already there takes a fork instead.
//
// An entry shares its parent's storage and adds its own segments'; parents
// stay as long as their children. The least recently used entry goes first,
// which never is a parent. Its storage is free once no request shares it
// either; until then it counts in that request's reservation.
//
// Not thread-safe: the engine thread's, as the contexts in it.
class PrefixCache {
 public:
  struct Counts {
    int64_t queried_tokens = 0;  // that might have been found
    int64_t hit_tokens = 0;
    int64_t evictions = 0;  // entries
  };

  // Never holds more than `max_tokens`; 0: never anything. `ledger` outlives
  // it.
  PrefixCache(KvLedger* ledger, int64_t max_tokens)
      : ledger_(ledger), max_tokens_(max_tokens) {}
  ~PrefixCache() { Clear(); }
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // Whether `tokens` could ever be an entry's own.
  bool CanHold(int64_t tokens) const;
  // A fork; null: it is not there. Makes the entry the most recently used.
  std::unique_ptr<model::Context> Find(const base::Digest& key);
  // What became of `tokens` that might have been there: forked, or encoded.
  void Count(int64_t tokens, bool hit) {
    counts_.queried_tokens += tokens;
    if (hit) counts_.hit_tokens += tokens;
  }

  // The first to ask for a key in a batch shall encode it; for the others the
  // answer is false: they wait for the next batch, in which they find it.
  bool Claim(const base::Digest& key) {
    return !held_.contains(key) && claimed_.insert(key).second;
  }
  void EndBatch() { claimed_.clear(); }

  // Keeps a claim over several batches, for as long as it lives.
  class Hold {
   public:
    Hold(PrefixCache* cache, const base::Digest& key)
        : cache_(cache), key_(key) {
      cache_->held_.insert(key_);
    }
    ~Hold() { cache_->held_.erase(key_); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    PrefixCache* const cache_;
    const base::Digest key_;
  };

  // Keeps a fork of `context`, whose last `tokens` came after what `parent` is
  // the key of (the empty context's, or an entry's). Does nothing where there
  // is no room, the parent is gone, or the key is there already.
  void Insert(const base::Digest& parent, const base::Digest& key,
              const model::Context& context, int64_t tokens);

  // Makes `tokens` of the pool free by dropping entries, and reserves them for
  // a request. False, and nothing is changed, where even an empty cache would
  // not do.
  bool ReserveForRequest(int64_t tokens);
  void Clear();

  // Since the last call.
  Counts TakeCounts() { return std::exchange(counts_, {}); }
  int64_t held_tokens() const {
    return ledger_->held(KvLedger::Holder::kPrefixCache);
  }
  int entries() const { return static_cast<int>(entries_.size()); }

 private:
  struct Entry {
    base::Digest parent;
    std::unique_ptr<model::Context> context;
    int64_t held = 0;                         // tokens, in whole pages
    std::list<base::Digest>::iterator place;  // in used_
  };

  // Moves an entry, then its ancestors, to the front: so the last one is
  // nobody's parent.
  void Touch(const base::Digest& key);
  // Drops the least recently used entry.
  void Evict();

  KvLedger* const ledger_;
  const int64_t max_tokens_;
  std::map<base::Digest, Entry> entries_;
  std::list<base::Digest> used_;    // the most recently used first
  std::set<base::Digest> claimed_;  // in this batch
  std::set<base::Digest> held_;     // over several
  Counts counts_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_MEMORY_PREFIX_CACHE_H_
