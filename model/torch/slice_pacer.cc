#include "model/torch/slice_pacer.h"

#include <algorithm>

namespace cooper::torch_model {
namespace {

// Of the newest part in the running estimate.
constexpr double kNewest = 0.5;

}  // namespace

int64_t SlicePacer::Rows(int stage, int64_t available, absl::Duration left,
                         bool must) const {
  const int64_t least = std::min(available, kLeastRows);
  const double per_row = seconds_per_row_[stage];
  if (per_row == 0.0) {
    return must || left > absl::ZeroDuration() ? least : 0;
  }
  const double fits = absl::ToDoubleSeconds(left) / per_row;
  if (fits >= static_cast<double>(available)) return available;
  if (fits < static_cast<double>(least)) return must ? least : 0;
  return std::max(least, static_cast<int64_t>(fits) / kMultiple * kMultiple);
}

void SlicePacer::Observe(int stage, int64_t rows, absl::Duration took) {
  const double newest = absl::ToDoubleSeconds(took) / static_cast<double>(rows);
  double& per_row = seconds_per_row_[stage];
  per_row = per_row == 0.0 ? newest : per_row + kNewest * (newest - per_row);
}

}  // namespace cooper::torch_model
