#include "model/torch/dtype_choice.h"

#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "model/torch/cpu/packed_weight.h"

namespace cooper::torch_model {
namespace {

bool HasBFloat16Arithmetic() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

// The best of a few runs: others use the machine too.
template <typename Work>
double BestSeconds(const Work& work) {
  constexpr int kRuns = 5;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRuns; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> seconds =
        std::chrono::steady_clock::now() - start;
    best = std::min(best, seconds.count());
  }
  return best;
}

}  // namespace

at::ScalarType FasterType(const ProductSeconds& float32,
                          const ProductSeconds& bfloat16) {
  return bfloat16.one_row <= float32.one_row &&
                 bfloat16.many_rows <= float32.many_rows
             ? at::kBFloat16
             : at::kFloat;
}

at::ScalarType MeasuredCpuType() {
  if (!HasBFloat16Arithmetic()) return at::kFloat;
  constexpr int64_t kIn = 1024;
  constexpr int64_t kOut = 8192;  // 16 MiB: more than a cache of one core
  constexpr int64_t kManyRows = 128;
  const c10::InferenceMode no_gradients;
  const at::Tensor weight = at::full({kOut, kIn}, 0.5, at::kBFloat16);
  const PackedWeight packed(weight);
  ProductSeconds float32;
  ProductSeconds bfloat16;
  for (const int64_t rows : {int64_t{1}, kManyRows}) {
    const at::Tensor x = at::full({rows, kIn}, 0.5, at::kFloat);
    const at::Tensor narrow = x.to(at::kBFloat16);
    double& wide_seconds = rows == 1 ? float32.one_row : float32.many_rows;
    double& narrow_seconds = rows == 1 ? bfloat16.one_row : bfloat16.many_rows;
    wide_seconds = BestSeconds([&] { packed.Multiply(x, at::Tensor()); });
    narrow_seconds = BestSeconds([&] { at::linear(narrow, weight); });
  }
  return FasterType(float32, bfloat16);
}

}  // namespace cooper::torch_model
