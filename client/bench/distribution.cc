#include "client/bench/distribution.h"

#include <algorithm>
#include <cmath>

namespace cooper::client::bench {

double Percentile(const std::vector<double>& sorted, double percent) {
  // Percent times count first: 0.95 times 20 would be above 19.
  const double rank =
      std::ceil(percent * static_cast<double>(sorted.size()) / 100.0);
  const auto index = static_cast<size_t>(std::max(rank, 1.0)) - 1;
  return sorted[std::min(index, sorted.size() - 1)];
}

void Distribution::Add(absl::Duration value) {
  const double seconds = absl::ToDoubleSeconds(value);
  min_ = count_ == 0 ? seconds : std::min(min_, seconds);
  max_ = count_ == 0 ? seconds : std::max(max_, seconds);
  sum_ += seconds;
  ++count_;
  if (count_ <= max_samples_) {
    samples_.push_back(seconds);
    return;
  }
  // Each of the values so far is kept with the same probability.
  const auto place =
      static_cast<int64_t>(draw_() % static_cast<uint64_t>(count_));
  if (place < max_samples_) samples_[static_cast<size_t>(place)] = seconds;
}

Distribution::Figures Distribution::figures() const {
  Figures figures;
  figures.count = count_;
  if (count_ == 0) return figures;
  figures.exact = count_ <= max_samples_;
  figures.mean = sum_ / static_cast<double>(count_);
  figures.min = min_;
  figures.max = max_;
  std::vector<double> sorted = samples_;
  std::sort(sorted.begin(), sorted.end());
  figures.p50 = Percentile(sorted, 50);
  figures.p90 = Percentile(sorted, 90);
  figures.p95 = Percentile(sorted, 95);
  figures.p99 = Percentile(sorted, 99);
  return figures;
}

}  // namespace cooper::client::bench
