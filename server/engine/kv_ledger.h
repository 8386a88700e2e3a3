#ifndef COOPER_SERVER_ENGINE_KV_LEDGER_H_
#define COOPER_SERVER_ENGINE_KV_LEDGER_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace cooper::engine {

// Who may hold how much of the KV pool. What is promised to all together never
// passes the pool, so that nobody who was promised memory runs out of it.
// Tokens that several share count for each of them.
//
// Pure; not thread-safe.
class KvLedger {
 public:
  enum class Holder { kRequests, kPrefixCache, kSessions };
  static constexpr size_t kHolders = 3;

  // `page_tokens`: the pool is handed out in pages of this many.
  KvLedger(int64_t capacity_tokens, int64_t page_tokens)
      : capacity_(capacity_tokens), page_(page_tokens) {}

  // False, and nothing is changed, where that much is not free.
  bool Reserve(Holder holder, int64_t tokens) {
    if (tokens > free()) return false;
    held_[static_cast<size_t>(holder)] += tokens;
    return true;
  }
  void Release(Holder holder, int64_t tokens) {
    held_[static_cast<size_t>(holder)] -= tokens;
  }

  int64_t held(Holder holder) const {
    return held_[static_cast<size_t>(holder)];
  }
  int64_t capacity() const { return capacity_; }
  int64_t free() const {
    int64_t free = capacity_;
    for (const int64_t held : held_) free -= held;
    return free;
  }
  // The most that `tokens` can take when they go onto `contexts` forks: each
  // has a page that it shares in part and copies, and one that it fills in
  // part.
  int64_t WithPages(int64_t tokens, int contexts) const {
    return tokens + 2 * (page_ - 1) * contexts;
  }

 private:
  const int64_t capacity_;
  const int64_t page_;
  std::array<int64_t, kHolders> held_ = {};
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_KV_LEDGER_H_
