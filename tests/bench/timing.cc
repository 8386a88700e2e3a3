#include "tests/bench/timing.h"

#include <ATen/Parallel.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

namespace cooper::bench {
namespace {

constexpr int64_t kAhead = 128;  // words: 1 KiB

// Eight sums side by side, so that loads and not the adds are the limit.
__attribute__((target_clones("avx512f", "avx2", "default"))) uint64_t
SumWords(const uint64_t* words, int64_t count) {
  uint64_t sums[32] = {};
  int64_t i = 0;
  for (; i + 32 <= count; i += 32) {
    for (int j = 0; j < 32; j += 8) __builtin_prefetch(words + i + j + kAhead);
    for (int j = 0; j < 32; ++j) sums[j] ^= words[i + j];
  }
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum ^= part;
  return sum;
}

}  // namespace

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
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

void ReadBandwidth::Free::operator()(void* memory) const { std::free(memory); }

ReadBandwidth::ReadBandwidth(int64_t bytes) : bytes_(bytes) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t size = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  words_.reset(static_cast<uint64_t*>(std::aligned_alloc(kHugePage, size)));
  madvise(words_.get(), size, MADV_HUGEPAGE);
  std::fill_n(words_.get(), size / sizeof(uint64_t), 1);
}

void ReadBandwidth::Read() {
  std::atomic<uint64_t> total{0};
  const int64_t count = bytes_ / static_cast<int64_t>(sizeof(uint64_t));
  at::parallel_for(0, count, count / at::get_num_threads(),
                   [&](int64_t begin, int64_t end) {
                     total ^= SumWords(words_.get() + begin, end - begin);
                   });
  sink_ ^= total.load();
}

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t size = 0;
  int64_t resident = 0;
  file >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

void PrintTable(const std::vector<Row>& rows) {
  std::printf("%-58s %10s %12s  %-8s %s\n", "measure", "value", "goal", "",
              "beside it");
  for (const Row& row : rows) {
    std::printf("%-58s %10.3f %s %9.3f  %-8s %.3g %s\n", row.name.c_str(),
                row.value, row.at_least ? ">=" : "<=", row.goal,
                row.ok() ? "ok" : "MISSED", row.ceiling,
                row.ceiling_unit.c_str());
  }
}

bool WriteJson(const std::vector<Row>& rows, const std::string& path) {
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    results.push_back({{"name", row.name},
                       {"value", row.value},
                       {"goal", row.goal},
                       {"ceiling", row.ceiling},
                       {"unit", row.unit},
                       {"ok", row.ok()}});
  }
  std::ofstream file(path);
  file << nlohmann::ordered_json{{"results", results}}.dump(1) << "\n";
  return file.good();
}

}  // namespace cooper::bench
