#include "server/engine/memory/prefix_cache.h"

#include <utility>

#include "server/engine/memory/prefix_key.h"

namespace cooper::engine {

using Holder = KvLedger::Holder;

bool PrefixCache::CanHold(int64_t tokens) const {
  return ledger_->WithPages(tokens, 1) <= max_tokens_;
}

std::unique_ptr<model::Context> PrefixCache::Find(const base::Digest& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  Touch(key);
  return found->second.context->Fork();
}

void PrefixCache::Touch(const base::Digest& key) {
  for (auto entry = entries_.find(key); entry != entries_.end();
       entry = entries_.find(entry->second.parent)) {
    used_.splice(used_.begin(), used_, entry->second.place);
  }
}

void PrefixCache::Insert(const base::Digest& parent, const base::Digest& key,
                         const model::Context& context, int64_t tokens) {
  if (!CanHold(tokens) || entries_.contains(key)) return;
  if (parent != EmptyPrefix() && !entries_.contains(parent)) return;
  const int64_t held = ledger_->WithPages(tokens, 1);
  Touch(parent);
  while (held_tokens() + held > max_tokens_ || held > ledger_->free()) {
    // The parent's own chain is the most recently used: when it is all that is
    // left, there is no room.
    if (used_.empty() || used_.back() == parent) return;
    Evict();
  }
  ledger_->Reserve(Holder::kPrefixCache, held);
  used_.push_front(key);
  entries_[key] = {parent, context.Fork(), held, used_.begin()};
  Touch(key);
}

void PrefixCache::Evict() {
  const auto entry = entries_.find(used_.back());
  ledger_->Release(Holder::kPrefixCache, entry->second.held);
  used_.pop_back();
  entries_.erase(entry);
  ++counts_.evictions;
}

bool PrefixCache::ReserveForRequest(int64_t tokens) {
  if (tokens > ledger_->free() + held_tokens()) return false;
  while (tokens > ledger_->free()) Evict();
  return ledger_->Reserve(Holder::kRequests, tokens);
}

void PrefixCache::Clear() {
  for (const auto& [key, entry] : entries_) {
    ledger_->Release(Holder::kPrefixCache, entry.held);
  }
  entries_.clear();
  used_.clear();
}

}  // namespace cooper::engine
