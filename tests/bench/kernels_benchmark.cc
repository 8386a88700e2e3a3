#include "tests/bench/kernels_benchmark.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "model/torch/cpu/block_attention.h"
#include "model/torch/cpu/packed_gemm.h"
#include "model/torch/cpu/paged_attention.h"

namespace cooper::bench {
namespace {

namespace gemm = torch_model::packed_gemm;
namespace attention = torch_model::paged_attention;
namespace blocks = torch_model::block_attention;
using benchmark::Counter;

// A matrix that no cache of a core holds: 32 MiB in two bytes.
constexpr int64_t kIn = 1024;
constexpr int64_t kOut = 16384;
constexpr uint16_t kBf16 = 0x3c23;  // about 0.01

// Heads of the `small` checkpoint; keys and values of a token side by side.
constexpr int64_t kKvHeads = 4;
constexpr int64_t kHeadsOfKv = 4;
constexpr int64_t kDim = 64;
constexpr int64_t kPageTokens = 64;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
template <typename T>
std::unique_ptr<T, Free> Aligned(int64_t count, T value) {
  const size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
  std::unique_ptr<T, Free> memory(
      static_cast<T*>(std::aligned_alloc(64, bytes)));
  std::fill_n(memory.get(), count, value);
  return memory;
}

Counter PerSecond(double of_one) {
  return Counter(of_one / 1e9, Counter::kIsIterationInvariantRate);
}

void Multiply(benchmark::State& state, const gemm::Kernels& kernels) {
  const int64_t rows = state.range(0);
  const int64_t panels =
      (kOut + kernels.panel_columns - 1) / kernels.panel_columns;
  const auto weights =
      Aligned<uint16_t>(panels * kernels.panel_columns * kIn, kBf16);
  const gemm::Packed packed = {gemm::Format::kBf16, kOut, kIn, weights.get()};
  const auto x = Aligned<float>(rows * kIn, 0.5f);
  const auto y = Aligned<float>(rows * kOut, 0.0f);
  const auto scratch = Aligned<float>(kernels.scratch_floats, 0.0f);
  for (auto _ : state) {
    kernels.multiply(packed, 0, panels, /*bias=*/nullptr,
                     {x.get(), kIn, y.get(), kOut, rows}, scratch.get());
    benchmark::ClobberMemory();
  }
  state.counters["GFLOP/s"] =
      PerSecond(2.0 * kIn * kOut * static_cast<double>(rows));
  state.counters["GB/s"] = PerSecond(2.0 * kIn * kOut);
}

// One token over the whole context, all heads of a layer.
void Attend(benchmark::State& state, attention::Function attend) {
  const int64_t tokens = state.range(0);
  const int64_t stride = kKvHeads * kDim;
  const int64_t pages = (tokens + kPageTokens - 1) / kPageTokens;
  const auto keys = Aligned<float>(pages * kPageTokens * stride, 0.1f);
  const auto values = Aligned<float>(pages * kPageTokens * stride, 0.1f);
  const auto query = Aligned<float>(kHeadsOfKv * kDim, 0.1f);
  const auto out = Aligned<float>(kHeadsOfKv * kDim, 0.0f);
  const auto scratch =
      Aligned<float>(attention::ScratchFloats(kHeadsOfKv, tokens), 0.0f);
  std::vector<int32_t> table(pages);
  std::iota(table.begin(), table.end(), 0);
  for (auto _ : state) {
    for (int64_t head = 0; head < kKvHeads; ++head) {
      attend({query.get(), kHeadsOfKv, kDim, 0.125f, keys.get() + head * kDim,
              values.get() + head * kDim, table.data(), kPageTokens, stride,
              tokens},
             scratch.get(), out.get());
    }
    benchmark::ClobberMemory();
  }
  const auto elements = static_cast<double>(tokens * stride);
  state.counters["GFLOP/s"] = PerSecond(4.0 * kHeadsOfKv * elements);
  state.counters["GB/s"] = PerSecond(2.0 * sizeof(float) * elements);
}

// 64 rows over the whole context, one key/value head.
void AttendRows(benchmark::State& state, const blocks::Kernels& kernels) {
  constexpr int64_t kRows = 64;
  const int64_t tokens = state.range(0);
  const auto query = Aligned<float>(kRows * kHeadsOfKv * kDim, 0.1f);
  const auto out = Aligned<float>(kRows * kHeadsOfKv * kDim, 0.0f);
  const auto keys =
      Aligned<float>(blocks::KeyFloats(kernels, tokens, kDim), 0.1f);
  const auto values =
      Aligned<float>(blocks::ValueFloats(kernels, tokens, kDim), 0.1f);
  const auto scratch = Aligned<float>(
      blocks::ScratchFloats(kernels, kRows, kHeadsOfKv, kDim), 0.0f);
  const blocks::Queries queries = {
      query.get(), kHeadsOfKv * kDim, kRows, kHeadsOfKv, kDim, 0.125f,
      tokens,      /*visible_step=*/0};
  for (auto _ : state) {
    kernels.attend(queries, {keys.get(), values.get(), tokens}, scratch.get(),
                   out.get(), kHeadsOfKv * kDim);
    benchmark::ClobberMemory();
  }
  state.counters["GFLOP/s"] =
      PerSecond(4.0 * kRows * kHeadsOfKv * static_cast<double>(tokens * kDim));
}

}  // namespace

void RegisterKernels() {
  for (const gemm::Kernels* kernels :
       {gemm::Avx512Kernels(), gemm::Avx2Kernels(), gemm::BaselineKernels()}) {
    if (kernels == nullptr) continue;
    benchmark::RegisterBenchmark(
        (std::string("packed_product/") + kernels->name).c_str(),
        [kernels](benchmark::State& state) { Multiply(state, *kernels); })
        ->ArgName("rows")
        ->RangeMultiplier(8)
        ->Range(1, 512)
        ->Unit(benchmark::kMillisecond);
  }
  const std::pair<const char*, attention::Function> attends[] = {
      {"AVX-512", attention::Avx512()},
      {"AVX2", attention::Avx2()},
      {"baseline", attention::Baseline()}};
  for (const auto& [name, attend] : attends) {
    if (attend == nullptr) continue;
    benchmark::RegisterBenchmark(
        (std::string("paged_attention/") + name).c_str(),
        [attend = attend](benchmark::State& state) { Attend(state, attend); })
        ->ArgName("context")
        ->RangeMultiplier(8)
        ->Range(128, 8192)
        ->Unit(benchmark::kMicrosecond);
  }
  for (const blocks::Kernels* kernels :
       {blocks::Avx512Kernels(), blocks::Avx2Kernels(),
        blocks::BaselineKernels()}) {
    if (kernels == nullptr) continue;
    benchmark::RegisterBenchmark(
        (std::string("block_attention/") + kernels->name).c_str(),
        [kernels](benchmark::State& state) { AttendRows(state, *kernels); })
        ->ArgName("context")
        ->RangeMultiplier(8)
        ->Range(128, 8192)
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace cooper::bench
