#include "model/torch/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace cooper::torch_model {
namespace {

constexpr int64_t kFlashMultiple = 8;
constexpr int64_t kFlashMaxDim = 256;

// The meta device goes the way of a GPU, so that tests can follow it there.
bool FlashTakes(const at::Tensor& query) {
  const int64_t dim = query.size(2);
  return !query.is_cpu() &&
         (query.scalar_type() == at::kBFloat16 ||
          query.scalar_type() == at::kHalf) &&
         dim % kFlashMultiple == 0 && dim <= kFlashMaxDim;
}

double ScaleOf(const at::Tensor& query) {
  return 1.0 / std::sqrt(static_cast<double>(query.size(2)));
}

int64_t Longest(const std::vector<int64_t>& lengths) {
  return *std::max_element(lengths.begin(), lengths.end());
}

// One sequence: query [n, heads, dim], keys and values [m, kv heads, dim].
at::Tensor AttendOne(const at::Tensor& query, const at::Tensor& keys,
                     const at::Tensor& values, bool causal) {
  const int64_t n = query.size(0);
  const int64_t heads = query.size(1);
  const int64_t dim = query.size(2);
  const int64_t m = keys.size(0);
  const int64_t kv_heads = keys.size(1);
  const int64_t group = heads / kv_heads;
  std::optional<at::Tensor> mask;
  if (causal && n > 1) {
    const auto options = query.options().dtype(at::kLong);
    mask = at::arange(m, options).unsqueeze(0) <=
           at::arange(n, options).unsqueeze(1) + (m - n);
  }
  // Key/value heads as the batch: [kv heads, group, tokens, dim].
  const at::Tensor queries =
      query.reshape({n, kv_heads, group, dim}).permute({1, 2, 0, 3});
  const auto spread = [&](const at::Tensor& x) {
    const at::Tensor shared =
        x.permute({1, 0, 2}).unsqueeze(1).expand({kv_heads, group, m, dim});
    // With a mask, keys that share memory between heads give wrong results in
    // one of libtorch's GPU kernels (pytorch issue 191937).
    return mask.has_value() ? shared.contiguous() : shared;
  };
  return at::scaled_dot_product_attention(queries, spread(keys), spread(values),
                                          mask, 0.0, /*is_causal=*/false,
                                          ScaleOf(query))
      .permute({2, 0, 1, 3})
      .reshape({n, heads, dim});
}

}  // namespace

std::vector<int64_t> Offsets(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> offsets = {0};
  for (const int64_t length : lengths) {
    offsets.push_back(offsets.back() + length);
  }
  return offsets;
}

SequenceLengths WholeSequences(std::vector<int64_t> lengths,
                               const at::Tensor& offsets) {
  SequenceLengths result;
  result.query_offsets = offsets.to(at::kInt);
  result.key_offsets = result.query_offsets;
  result.keys = lengths;
  result.queries = std::move(lengths);
  return result;
}

at::Tensor AttendSequences(const at::Tensor& query, const at::Tensor& keys,
                           const at::Tensor& values,
                           const SequenceLengths& lengths) {
  if (FlashTakes(query)) {
    return std::get<0>(at::_flash_attention_forward(
        query, keys, values, lengths.query_offsets, lengths.key_offsets,
        Longest(lengths.queries), Longest(lengths.keys), /*dropout_p=*/0.0,
        lengths.causal, /*return_debug_mask=*/false, ScaleOf(query)));
  }
  std::vector<at::Tensor> results;
  int64_t first_query = 0;
  int64_t first_key = 0;
  for (size_t i = 0; i < lengths.queries.size(); ++i) {
    const int64_t n = lengths.queries[i];
    const int64_t m = lengths.keys[i];
    results.push_back(
        AttendOne(query.narrow(0, first_query, n), keys.narrow(0, first_key, m),
                  values.narrow(0, first_key, m), lengths.causal));
    first_query += n;
    first_key += m;
  }
  return results.size() == 1 ? results[0] : at::cat(results);
}

}  // namespace cooper::torch_model
