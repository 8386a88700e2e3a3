#ifndef COOPER_SERVER_RPC_ANSWER_BUDGET_H_
#define COOPER_SERVER_RPC_ANSWER_BUDGET_H_

#include <atomic>
#include <cstdint>

namespace cooper::rpc {

// Bytes of answers that wait for their readers, of all calls together. While it
// is nearly full no new work is taken; once it is full, readers that stall are
// ended early, and past `must_drop` every answer that grows. Thread-safe.
class AnswerBudget {
 public:
  explicit AnswerBudget(int64_t max_bytes) : max_bytes_(max_bytes) {}

  void Add(int64_t bytes) {
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  bool nearly_full() const { return bytes() > max_bytes_ / 4 * 3; }
  bool full() const { return bytes() > max_bytes_; }
  bool must_drop() const { return bytes() > max_bytes_ + max_bytes_ / 4; }

 private:
  int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  const int64_t max_bytes_;
  std::atomic<int64_t> bytes_{0};
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_ANSWER_BUDGET_H_
