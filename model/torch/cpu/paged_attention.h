#ifndef COOPER_MODEL_TORCH_CPU_PAGED_ATTENTION_H_
#define COOPER_MODEL_TORCH_CPU_PAGED_ATTENTION_H_

#include <stdint.h>

// Attention of one token over a paged cache, float32. Built for each
// instruction set like packed_gemm.h, with the same rule: no inline function
// here.

namespace cooper::torch_model::paged_attention {

// The `heads` query heads of one token that share a key/value head.
struct Head {
  const float* query;  // [heads, dim]
  int64_t heads;
  int64_t dim;
  float scale;
  // Base of the layer's keys and values; token t is at
  // (pages[t / page_tokens] * page_tokens + t % page_tokens) * token_stride.
  const float* keys;
  const float* values;
  const int32_t* pages;
  int64_t page_tokens;   // a multiple of 16
  int64_t token_stride;  // floats
  int64_t tokens;        // >= 1
};

// Scratch floats that Attend needs.
int64_t ScratchFloats(int64_t heads, int64_t tokens);

// softmax(scale * query keys^T) values -> `out` [heads, dim]. By the widest
// instruction set that the processor runs.
void Attend(const Head& head, float* scratch, float* out);

// The same by each instruction set, for tests; null where the processor lacks
// it.
using Function = void (*)(const Head& head, float* scratch, float* out);
Function Baseline();
Function Avx2();
Function Avx512();

}  // namespace cooper::torch_model::paged_attention

#endif  // COOPER_MODEL_TORCH_CPU_PAGED_ATTENTION_H_
