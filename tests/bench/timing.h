#ifndef COOPER_TESTS_BENCH_TIMING_H_
#define COOPER_TESTS_BENCH_TIMING_H_

#include <cstdint>
#include <functional>
#include <vector>

// Measuring on shared, noisy machines: what is compared is run in turn, and
// the ratio is taken pair by pair.

namespace cooper::bench {

double Median(std::vector<double> values);
// Nearest rank; `share` in (0, 1].
double Percentile(std::vector<double> values, double share);

// Seconds of one call.
double Seconds(const std::function<void()>& work);

struct Paired {
  double a_seconds = 0.0;  // medians
  double b_seconds = 0.0;
  double ratio = 0.0;  // median of a/b
};
// A B A B ... `rounds` times, after one round that is not counted.
Paired MeasurePaired(int rounds, const std::function<void()>& a,
                     const std::function<void()>& b);

// Resident bytes of this process, now and at its highest.
int64_t ResidentBytes();

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_TIMING_H_
