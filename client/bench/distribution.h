#ifndef COOPER_CLIENT_BENCH_DISTRIBUTION_H_
#define COOPER_CLIENT_BENCH_DISTRIBUTION_H_

#include <cstdint>
#include <random>
#include <vector>

#include "absl/time/time.h"

namespace cooper::client::bench {

// What many durations were. Not thread-safe.
//
// Count, mean, least and most are exact. So are percentiles up to
// kMaxExactSamples; above, they are those of as many drawn evenly from all.
class Distribution {
 public:
  static constexpr int64_t kMaxExactSamples = int64_t{4} << 20;

  struct Figures {
    int64_t count = 0;
    bool exact = true;  // percentiles
    // Seconds; 0 without samples.
    double mean = 0.0, min = 0.0, max = 0.0;
    double p50 = 0.0, p90 = 0.0, p95 = 0.0, p99 = 0.0;
  };

  explicit Distribution(int64_t max_samples = kMaxExactSamples)
      : max_samples_(max_samples) {}

  void Add(absl::Duration value);
  int64_t count() const { return count_; }
  Figures figures() const;

 private:
  int64_t max_samples_;
  int64_t count_ = 0;
  double sum_ = 0.0;
  double min_ = 0.0;
  double max_ = 0.0;
  std::vector<double> samples_;  // seconds
  std::mt19937_64 draw_{1};
};

// The smallest of `sorted` (ascending, not empty) that at least `percent` of
// them do not pass (nearest rank). (0, 100].
double Percentile(const std::vector<double>& sorted, double percent);

}  // namespace cooper::client::bench

#endif  // COOPER_CLIENT_BENCH_DISTRIBUTION_H_
