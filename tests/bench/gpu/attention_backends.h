#ifndef COOPER_TESTS_BENCH_GPU_ATTENTION_BACKENDS_H_
#define COOPER_TESTS_BENCH_GPU_ATTENTION_BACKENDS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "model/torch/long_attention.h"
#include "tests/bench/gpu/bench.h"

namespace cooper::bench {

// `streams` contexts of `keys` keys each, whose last `rows` are the queries.
struct AttentionCase {
  std::string name;
  int64_t streams = 0;
  int64_t rows = 0;
  int64_t keys = 0;
  bool causal = false;
};

// One set of random queries, keys and values, and ATen's ways to attend: the
// flash kernel called directly, or what scaled_dot_product_attention takes.
// They throw c10::Error where this build or device has no such backend.
class Attention {
 public:
  Attention(const Bench& bench, const AttentionCase& c);

  // Each gives [tokens, heads, dim].
  at::Tensor Ragged();
  at::Tensor CuDnnRagged();
  at::Tensor Equal();
  at::Tensor CuDnn();
  at::Tensor Others();
  // In float32, a key/value head at a time.
  at::Tensor Reference() const;

 private:
  double scale() const;

  // Key/value heads of all streams as the batch; the query heads of each share
  // its keys, which are repeated without a copy (never under a mask).
  at::Tensor Composed();
  at::Tensor Mask() const;
  void MakeOffsets();

  const AttentionCase case_;
  const torch_model::Device device_;
  int64_t heads_ = 0, kv_heads_ = 0, dim_ = 0;
  at::TensorOptions options_;
  at::Tensor q_, k_, v_;            // [tokens, heads, dim]
  at::Tensor row_ends_, key_ends_;  // [streams + 1] int32
  at::Tensor composed_q_, composed_k_, composed_v_;
  std::optional<at::Tensor> mask_;
  std::unique_ptr<torch_model::LongRows> long_rows_;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_GPU_ATTENTION_BACKENDS_H_
