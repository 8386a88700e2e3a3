#ifndef COOPER_MODEL_TORCH_SLICE_PACER_H_
#define COOPER_MODEL_TORCH_SLICE_PACER_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/torch/device.h"

namespace cooper::torch_model {

// What is left of a slice's budget, from its construction on.
class SliceBudget {
 public:
  explicit SliceBudget(absl::Duration budget);

  // Until when the next part should be done. Keeps a part of the budget back
  // for what comes around the slice, and for parts that take longer than the
  // ones before.
  absl::Duration left() const;
  // Whether the slice still has to run something.
  bool must() const { return must_; }
  void Ran() { must_ = false; }

 private:
  const std::chrono::steady_clock::time_point start_;
  const absl::Duration planned_;
  bool must_ = true;
};

// Runs `work`; returns how long it took.
template <typename Work>
absl::Duration TimeOf(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return absl::FromChrono(std::chrono::steady_clock::now() - start);
}

// How many rows the next part of a pass may have so that a slice of it ends in
// time: by what rows of the same stage have just taken.
class SlicePacer {
 public:
  static constexpr int kStages = 3;
  // A part has no fewer, if it can: each reads all weights of its stage.
  static constexpr int64_t kLeastRows = 64;
  // Parts are a multiple of so many, or all there are: blocks of the kernels.
  static constexpr int64_t kMultiple = 16;

  // Rows, at most `available`, of a part of `stage` that takes no longer than
  // `left`; 0: not even kLeastRows would. `must`: then those.
  int64_t Rows(int stage, int64_t available, absl::Duration left,
               bool must) const;
  // A part of `rows` > 0 took so long.
  void Observe(int stage, int64_t rows, absl::Duration took);

 private:
  std::array<double, kStages> seconds_per_row_{};  // 0: not known yet
};

// Whether the next part of work that consists of given parts fits into a slice:
// by what the same part has just taken, in proportion to the work's size.
class PartPacer {
 public:
  bool Fits(size_t part, int64_t size, const SliceBudget& slice) const;
  // Whether it has been observed.
  bool Knows(size_t part) const;
  // It took so long, with a size > 0.
  void Observe(size_t part, int64_t size, absl::Duration took);

 private:
  std::vector<double> seconds_per_unit_;  // by part; 0: not known yet
};

// Runs as many parts of `run` as fit into the slice, at least one if it must;
// returns whether it is done. Where the slice has no end, it waits for the
// device only to learn how long parts take. A Run has next(), done(), size()
// and RunPart(). INTERNAL: the device failed.
template <typename Run>
absl::StatusOr<bool> RunParts(Run* run, PartPacer* pacer, const Device& device,
                              SliceBudget* slice) {
  const bool endless = slice->left() == absl::InfiniteDuration();
  while (!run->done()) {
    const size_t part = run->next();
    const int64_t size = run->size();
    if (endless && pacer->Knows(part)) {
      run->RunPart();
      slice->Ran();
      continue;
    }
    if (!pacer->Fits(part, size, *slice)) return false;
    absl::Status status;
    pacer->Observe(part, size, TimeOf([&] {
                     run->RunPart();
                     status = Synchronize(device);
                   }));
    if (!status.ok()) return status;
    slice->Ran();
  }
  if (endless) {
    absl::Status status = Synchronize(device);
    if (!status.ok()) return status;
  }
  return true;
}

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_SLICE_PACER_H_
