#include "server/engine/schedule/cost_estimator.h"

#include <algorithm>

namespace cooper::engine {
namespace {

// What a batch weighs when the next one is seen.
constexpr double kFade = 0.95;
// Sizes that vary less (variance by squared mean) say nothing of a slope.
constexpr double kLeastVariance = 1e-3;

}  // namespace

void CostEstimator::Observe(BatchKind kind, int64_t size, absl::Duration took,
                            absl::Time now) {
  Line& line = lines_[static_cast<size_t>(kind)];
  if (now - line.last > kMemory) line = {};
  const auto n = static_cast<double>(size);
  const double seconds = absl::ToDoubleSeconds(took);
  line.weight = line.weight * kFade + 1;
  line.size = line.size * kFade + n;
  line.took = line.took * kFade + seconds;
  line.size_size = line.size_size * kFade + n * n;
  line.size_took = line.size_took * kFade + n * seconds;
  line.last = now;
}

std::optional<CostEstimator::Fit> CostEstimator::FitOf(BatchKind kind,
                                                       absl::Time now) const {
  const Line& line = lines_[static_cast<size_t>(kind)];
  if (line.weight == 0 || now - line.last > kMemory) return std::nullopt;
  Fit fit{line.size / line.weight, line.took / line.weight, std::nullopt};
  const double variance = line.size_size / line.weight - fit.size * fit.size;
  if (variance >= kLeastVariance * fit.size * fit.size) {
    fit.slope = std::max(
        0.0, (line.size_took / line.weight - fit.size * fit.took) / variance);
  }
  return fit;
}

absl::Duration CostEstimator::Estimate(BatchKind kind, int64_t size,
                                       absl::Time now) const {
  const std::optional<Fit> fit = FitOf(kind, now);
  if (size <= 0 || !fit.has_value()) return absl::ZeroDuration();
  const auto n = static_cast<double>(size);
  if (!fit->slope.has_value()) {
    // A larger batch takes no less, a smaller one no less than its part.
    return absl::Seconds(fit->took * std::min(1.0, n / fit->size));
  }
  return absl::Seconds(
      std::max(0.0, fit->took + *fit->slope * (n - fit->size)));
}

std::optional<int64_t> CostEstimator::SizeWithin(BatchKind kind,
                                                 absl::Duration within,
                                                 absl::Time now) const {
  const std::optional<Fit> fit = FitOf(kind, now);
  if (!fit.has_value() || fit->took <= 0) return std::nullopt;
  return static_cast<int64_t>(fit->size * absl::ToDoubleSeconds(within) /
                              fit->took);
}

absl::Duration CostEstimator::Estimate(const LeastWork& work,
                                       absl::Time now) const {
  return Estimate(BatchKind::kPrefill, work.prefill_rows, now) +
         work.decodes * Estimate(BatchKind::kDecode, 1, now) +
         work.denoise_steps *
             Estimate(BatchKind::kDenoise, work.denoise_rows, now) +
         work.maps * Estimate(BatchKind::kVaeDecode, 1, now);
}

}  // namespace cooper::engine
