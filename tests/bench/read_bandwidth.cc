#include "tests/bench/read_bandwidth.h"

#include <ATen/Parallel.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

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

}  // namespace cooper::bench
