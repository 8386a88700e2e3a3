#ifndef COOPER_MODEL_CHECKPOINT_WEIGHT_CHECK_H_
#define COOPER_MODEL_CHECKPOINT_WEIGHT_CHECK_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/worker_pool.h"
#include "model/checkpoint/checksums.h"
#include "model/checkpoint/tensor_set.h"
#include "model/load_progress.h"

namespace cooper::checkpoint {

// Computes the SHA-256 of weight files in threads of its own while their
// tensors are read by others: what is checked is what is open, also if a file
// is replaced meanwhile. Wait() belongs to one thread.
class WeightCheck {
 public:
  // Finds all expected digests, then begins. Errors: FindExpectedDigest's.
  static absl::StatusOr<std::unique_ptr<WeightCheck>> Start(WeightFiles files);
  // Gives up what is not done.
  ~WeightCheck();

  // Until all files are checked. DATA_LOSS: the first file, in their order,
  // that is not what it should be, with both digests; what read() says.
  // `progress`, if any, is told about what was left.
  absl::Status Wait(model::LoadProgress* progress = nullptr)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  explicit WeightCheck(WeightFiles files);
  absl::Status CheckFile(size_t index);

  const WeightFiles files_;
  std::vector<ExpectedDigest> expected_;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> done_bytes_{0};
  std::atomic<model::LoadProgress*> progress_{nullptr};  // while waiting
  base::Mutex mutex_;
  size_t unchecked_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Status> statuses_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<base::WorkerPool> pool_;  // last: its jobs use the rest
};

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_WEIGHT_CHECK_H_
