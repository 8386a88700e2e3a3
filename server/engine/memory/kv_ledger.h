#ifndef COOPER_SERVER_ENGINE_MEMORY_KV_LEDGER_H_
#define COOPER_SERVER_ENGINE_MEMORY_KV_LEDGER_H_

#include <algorithm>
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

  // Tells apart who has what of the bytes in use. Holders share pages, so it is
  // by what each may hold; requests that may hold nothing have nothing, unless
  // more is in use than all others may hold.
  struct Split {
    int64_t requests = 0, prefix_cache = 0, sessions = 0;
  };
  Split SplitUsed(int64_t used_bytes, int64_t bytes_per_token) const {
    const int64_t of_requests = held(Holder::kRequests);
    const int64_t of_cache = held(Holder::kPrefixCache);
    const int64_t of_sessions = held(Holder::kSessions);
    const int64_t others = of_cache + of_sessions;
    const auto part = [&](int64_t tokens) {
      const int64_t all = of_requests + others;
      return all == 0
                 ? 0
                 : std::min(
                       tokens * bytes_per_token,
                       static_cast<int64_t>(static_cast<double>(used_bytes) *
                                            static_cast<double>(tokens) /
                                            static_cast<double>(all)));
    };
    Split split;
    split.prefix_cache = part(of_cache);
    split.sessions = part(of_sessions);
    split.requests =
        of_requests > 0
            ? std::max<int64_t>(
                  0, used_bytes - split.prefix_cache - split.sessions)
            : std::max<int64_t>(0, used_bytes - others * bytes_per_token);
    return split;
  }

 private:
  const int64_t capacity_;
  const int64_t page_;
  std::array<int64_t, kHolders> held_ = {};
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_MEMORY_KV_LEDGER_H_
