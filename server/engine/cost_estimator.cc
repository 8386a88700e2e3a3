#include "server/engine/cost_estimator.h"

#include <algorithm>

namespace cooper::engine {
namespace {

// What a wave weighs when the next one is seen.
constexpr double kFade = 0.95;
// Sizes that vary less (variance by squared mean) say nothing of a slope.
constexpr double kLeastVariance = 1e-3;

}  // namespace

void CostEstimator::Observe(Wave wave, int64_t size, absl::Duration took,
                            absl::Time now) {
  Line& line = lines_[static_cast<size_t>(wave)];
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

absl::Duration CostEstimator::Estimate(Wave wave, int64_t size,
                                       absl::Time now) const {
  const Line& line = lines_[static_cast<size_t>(wave)];
  if (size <= 0 || line.weight == 0 || now - line.last > kMemory) {
    return absl::ZeroDuration();
  }
  const auto n = static_cast<double>(size);
  const double mean_size = line.size / line.weight;
  const double mean_took = line.took / line.weight;
  const double variance = line.size_size / line.weight - mean_size * mean_size;
  if (variance < kLeastVariance * mean_size * mean_size) {
    // A larger wave takes no less, a smaller one no less than its part.
    return absl::Seconds(mean_took * std::min(1.0, n / mean_size));
  }
  const double slope = std::max(
      0.0, (line.size_took / line.weight - mean_size * mean_took) / variance);
  return absl::Seconds(std::max(0.0, mean_took + slope * (n - mean_size)));
}

absl::Duration CostEstimator::Estimate(const LeastWork& work,
                                       absl::Time now) const {
  return Estimate(Wave::kAppend, work.prefill_rows, now) +
         work.decodes * Estimate(Wave::kDecode, 1, now) +
         work.flow_steps * Estimate(Wave::kFlowStep, work.flow_rows, now) +
         work.maps * Estimate(Wave::kLatents, 1, now);
}

}  // namespace cooper::engine
