#ifndef COOPER_MODEL_TORCH_ATTENTION_H_
#define COOPER_MODEL_TORCH_ATTENTION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

// Attention by libtorch's operators, for sequences of different lengths that
// lie one behind the other.

namespace cooper::torch_model {

// The lengths of some sequences, on the host and on the device.
struct SequenceLengths {
  std::vector<int64_t> queries, keys;
  // Where each sequence begins, and the end of the last: [sequences + 1] int32
  // on the device.
  at::Tensor query_offsets, key_offsets;
  // A query sees the keys up to its own, the last query all of them. Otherwise
  // every query sees every key of its sequence.
  bool causal = false;
};

// [0, a, a + b, ...] of {a, b, ...}.
std::vector<int64_t> Offsets(const std::vector<int64_t>& lengths);

// Sequences that attend to themselves alone, every token to every token.
// `offsets`: Offsets(lengths), int64 on the device.
SequenceLengths WholeSequences(std::vector<int64_t> lengths,
                               const at::Tensor& offsets);

// Scaled dot product attention. query [sum of queries, heads, dim]; keys and
// values [sum of keys, kv heads, dim], each of which serves heads / kv heads
// consecutive query heads; rows may be strided. The scale is 1 / sqrt(dim).
// Returns [sum of queries, heads, dim].
//
// On a GPU in a 16-bit dtype it is one call of the FlashAttention kernel for
// sequences of variable length, which masks and repeats nothing in memory. For
// other devices, float32, and head sizes that the kernel does not take (other
// than multiples of 8 up to 256), it is one call of
// scaled_dot_product_attention a sequence.
at::Tensor AttendSequences(const at::Tensor& query, const at::Tensor& keys,
                           const at::Tensor& values,
                           const SequenceLengths& lengths);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_ATTENTION_H_
