#include "server/engine/execution/decode_budget.h"

namespace cooper::engine {

DecodeBudget::Lease DecodeBudget::Acquire(int64_t bytes) {
  base::MutexLock lock(&mutex_);
  const int64_t ticket = next_ticket_++;
  const auto may_go = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return turn_ == ticket &&
           (used_bytes_ == 0 || used_bytes_ + bytes <= max_bytes_);
  };
  mutex_.Await(absl::Condition(&may_go));
  ++turn_;
  used_bytes_ += bytes;
  metrics_.AddImageDecodeBytes(bytes);
  return Lease(this, bytes);
}

void DecodeBudget::Release(int64_t bytes) {
  base::MutexLock lock(&mutex_);
  used_bytes_ -= bytes;
  metrics_.AddImageDecodeBytes(-bytes);
}

}  // namespace cooper::engine
