#ifndef COOPER_MODEL_TORCH_SLICE_PACER_H_
#define COOPER_MODEL_TORCH_SLICE_PACER_H_

#include <array>
#include <cstdint>

#include "absl/time/time.h"

namespace cooper::torch_model {

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

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_SLICE_PACER_H_
