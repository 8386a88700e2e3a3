#ifndef COOPER_SERVER_ENGINE_EXECUTION_DECODE_BUDGET_H_
#define COOPER_SERVER_ENGINE_EXECUTION_DECODE_BUDGET_H_

#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// The memory that all threads together may use for decoding images.
//
// Thread-safe. Images get their memory in the order in which they ask for it,
// so that a large one is not overtaken for ever. An image larger than the whole
// budget is decoded too, while no other is. A thread must not hold one lease
// and ask for another.
class DecodeBudget {
 public:
  // Memory of one image, until it is destroyed.
  class Lease {
   public:
    Lease(Lease&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)),
          bytes_(other.bytes_) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (budget_ != nullptr) budget_->Release(bytes_);
    }

   private:
    friend class DecodeBudget;
    Lease(DecodeBudget* budget, int64_t bytes)
        : budget_(budget), bytes_(bytes) {}

    DecodeBudget* budget_;
    const int64_t bytes_;
  };

  // `metrics` must outlive it. `max_bytes` is above 0.
  DecodeBudget(int64_t max_bytes, metrics::ServerMetrics* metrics)
      : max_bytes_(max_bytes), metrics_(*metrics) {}
  DecodeBudget(const DecodeBudget&) = delete;
  DecodeBudget& operator=(const DecodeBudget&) = delete;

  // Blocks while there is no room, for as long as others decode.
  Lease Acquire(int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Release(int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  const int64_t max_bytes_;
  metrics::ServerMetrics& metrics_;
  base::Mutex mutex_;
  int64_t used_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Tickets of Acquire: the next one to give out, and the one whose turn it is.
  int64_t next_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t turn_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_DECODE_BUDGET_H_
