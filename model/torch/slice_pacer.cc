#include "model/torch/slice_pacer.h"

#include <algorithm>

namespace cooper::torch_model {
namespace {

// Of the newest part in the running estimate.
constexpr double kNewest = 0.5;

// Of a slice's budget.
constexpr double kPlanned = 0.75;

void Learn(absl::Duration took, int64_t size, double* seconds_per_unit) {
  const double newest = absl::ToDoubleSeconds(took) / static_cast<double>(size);
  *seconds_per_unit =
      *seconds_per_unit == 0.0
          ? newest
          : *seconds_per_unit + kNewest * (newest - *seconds_per_unit);
}

}  // namespace

SliceBudget::SliceBudget(absl::Duration budget)
    : start_(std::chrono::steady_clock::now()), planned_(budget * kPlanned) {}

absl::Duration SliceBudget::left() const {
  return planned_ - absl::FromChrono(std::chrono::steady_clock::now() - start_);
}

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
  Learn(took, rows, &seconds_per_row_[stage]);
}

bool PartPacer::Knows(size_t part) const {
  return part < seconds_per_unit_.size() && seconds_per_unit_[part] > 0.0;
}

bool PartPacer::Fits(size_t part, int64_t size,
                     const SliceBudget& slice) const {
  if (slice.must()) return true;
  const absl::Duration left = slice.left();
  if (!Knows(part)) return left == absl::InfiniteDuration();
  return absl::Seconds(seconds_per_unit_[part] * static_cast<double>(size)) <=
         left;
}

void PartPacer::Observe(size_t part, int64_t size, absl::Duration took) {
  if (part >= seconds_per_unit_.size()) seconds_per_unit_.resize(part + 1);
  Learn(took, size, &seconds_per_unit_[part]);
}

}  // namespace cooper::torch_model
