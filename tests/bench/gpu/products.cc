// The products of a layer, alone: which part of the bandwidth and of the
// arithmetic the library reaches for each number of rows.

#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/gpu/bench.h"

namespace cooper::bench {
namespace {

// Weights that are read in turn, so that none is still in a cache.
constexpr int64_t kWeightBytes = int64_t{512} << 20;
constexpr int kMostWeights = 16;

struct Matrix {
  const char* name;
  int64_t in;
  int64_t out;
};

void MeasureMatrix(Bench& bench, const Matrix& matrix) {
  const auto options =
      at::TensorOptions(bench.device().device).dtype(bench.device().dtype);
  const int64_t bytes =
      matrix.in * matrix.out *
      static_cast<int64_t>(c10::elementSize(bench.device().dtype));
  const int64_t most = bench.device().is_cpu() ? 2 : kMostWeights;
  std::vector<at::Tensor> weights(
      std::clamp<int64_t>(kWeightBytes / bytes, 1, most));
  for (at::Tensor& weight : weights) {
    weight = at::randn({matrix.out, matrix.in}, options).mul_(0.02);
  }
  for (const int64_t rows : {1, 8, 32, 4096, 12288}) {
    const at::Tensor x = at::randn({rows, matrix.in}, options);
    const auto run = [&] {
      for (const at::Tensor& weight : weights) at::linear(x, weight);
    };
    const double seconds =
        bench.MedianSeconds(1, bench.device().is_cpu() ? 2 : 7, run) /
        static_cast<double>(weights.size());
    const Work work = bench.floors().Product(static_cast<double>(rows),
                                             static_cast<double>(matrix.in),
                                             static_cast<double>(matrix.out));
    bench.AddTime(
        absl::StrCat("product ", matrix.name, ", ", rows, " rows"),
        absl::StrCat(matrix.in, " -> ", matrix.out, ", weights not in a cache"),
        seconds, work.OverlappedSeconds(bench.rates()));
  }
}

}  // namespace

void MeasureProducts(Bench& bench) {
  bench.DropModel();  // its pool leaves too little memory
  const checkpoint::LlmConfig& llm = bench.shape().llm;
  const int64_t q = llm.num_attention_heads * llm.head_dim();
  const int64_t kv = llm.num_key_value_heads * llm.head_dim();
  const Matrix matrices[] = {
      {"qkv", llm.hidden_size, q + 2 * kv},
      {"o", q, llm.hidden_size},
      {"gate_up", llm.hidden_size, 2 * llm.intermediate_size},
      {"down", llm.intermediate_size, llm.hidden_size},
  };
  for (const Matrix& matrix : matrices) MeasureMatrix(bench, matrix);
}

}  // namespace cooper::bench
