#include "tests/bench/timing.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

namespace cooper::bench {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double Percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  const auto rank = static_cast<size_t>(std::ceil(share * n));
  return values[std::max<size_t>(rank, 1) - 1];
}

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

Paired MeasurePaired(int rounds, const std::function<void()>& a,
                     const std::function<void()>& b) {
  std::vector<double> as;
  std::vector<double> bs;
  std::vector<double> ratios;
  for (int i = 0; i <= rounds; ++i) {
    const double one = Seconds(a);
    const double other = Seconds(b);
    if (i == 0) continue;
    as.push_back(one);
    bs.push_back(other);
    ratios.push_back(one / other);
  }
  return {Median(as), Median(bs), Median(ratios)};
}

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t size = 0;
  int64_t resident = 0;
  file >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace cooper::bench
