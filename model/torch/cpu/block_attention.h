#ifndef COOPER_MODEL_TORCH_CPU_BLOCK_ATTENTION_H_
#define COOPER_MODEL_TORCH_CPU_BLOCK_ATTENTION_H_

#include <stdint.h>

// Attention of many rows over the keys and values of one key/value head,
// float32, in blocks that stay in the first-level cache. Built for each
// instruction set like packed_gemm.h, with the same rule: no inline function
// here. (For one row over a paged cache see paged_attention.h.)
//
// A row's result is the same operations in the same order whatever other rows
// go with it.

namespace cooper::torch_model::block_attention {

// Tokens' keys and values, packed for the kernels.
struct Context {
  const float* keys;    // [panels][dim][panel_tokens], filled up with zeros
  const float* values;  // [tokens][padded dim]
  int64_t tokens;       // >= 1
};

// Rows and the `heads` query heads of each that share the key/value head.
struct Queries {
  const float* query;  // row r, head h: query + r * row_stride + h * dim
  int64_t row_stride;
  int64_t rows;
  int64_t heads;
  int64_t dim;
  float scale;
  // Row r sees the first `visible` + r * `visible_step` tokens (>= 1; more than
  // there are: all).
  int64_t visible;
  int64_t visible_step;  // 1: causal; 0: all see the same
};

struct Kernels {
  const char* name;      // of the instruction set
  int64_t panel_tokens;  // of packed keys
  int64_t dim_multiple;  // a value is filled up to one with zeros
  // Keys of `count` <= panel_tokens tokens, each [dim], as one panel; and their
  // values. `out` is aligned to 64 bytes.
  void (*pack_keys)(const float* const* keys, int64_t count, int64_t dim,
                    float* out);
  void (*pack_values)(const float* const* values, int64_t count, int64_t dim,
                      float* out);
  // softmax(scale * q k^T) v. Row r, head h goes to
  // out + r * out_stride + h * dim.
  void (*attend)(const Queries& queries, const Context& context, float* scratch,
                 float* out, int64_t out_stride);
};

// Of one instruction set; null where the processor lacks it.
const Kernels* Avx512Kernels();
const Kernels* Avx2Kernels();
const Kernels* BaselineKernels();  // never null

// The widest that the processor runs.
const Kernels& BestKernels();

// Floats of packed keys and of packed values, and of the scratch (aligned to 64
// bytes) that `attend` needs.
int64_t KeyFloats(const Kernels& kernels, int64_t tokens, int64_t dim);
int64_t ValueFloats(const Kernels& kernels, int64_t tokens, int64_t dim);
int64_t ScratchFloats(const Kernels& kernels, int64_t rows, int64_t heads,
                      int64_t dim);

}  // namespace cooper::torch_model::block_attention

#endif  // COOPER_MODEL_TORCH_CPU_BLOCK_ATTENTION_H_
