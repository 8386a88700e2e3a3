#include "model/torch/cpu/block_attention.h"

#include "model/torch/cpu/instruction_set.h"

namespace cooper::torch_model::block_attention {

// Each defined by one build of block_attention_kernels.cc.
extern const Kernels kBaselineBlockAttention;
#if defined(__x86_64__)
extern const Kernels kAvx2BlockAttention;
extern const Kernels kAvx512BlockAttention;
#endif

namespace {

// Scores of a tile: at most 12 rows and a block of 64 tokens.
constexpr int64_t kTileFloats = int64_t{12} * 64;

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

const Kernels* BaselineKernels() { return &kBaselineBlockAttention; }

const Kernels* Avx2Kernels() {
#if defined(__x86_64__)
  if (RunsAvx2()) return &kAvx2BlockAttention;
#endif
  return nullptr;
}

const Kernels* Avx512Kernels() {
#if defined(__x86_64__)
  if (RunsAvx512()) return &kAvx512BlockAttention;
#endif
  return nullptr;
}

const Kernels& BestKernels() {
  static const Kernels& kBest =
      *Widest(Avx512Kernels(), Avx2Kernels(), BaselineKernels());
  return kBest;
}

int64_t KeyFloats(const Kernels& kernels, int64_t tokens, int64_t dim) {
  return RoundUp(tokens, kernels.panel_tokens) * dim;
}

int64_t ValueFloats(const Kernels& kernels, int64_t tokens, int64_t dim) {
  return tokens * RoundUp(dim, kernels.dim_multiple);
}

int64_t ScratchFloats(const Kernels& kernels, int64_t rows, int64_t heads,
                      int64_t dim) {
  return kTileFloats +
         rows * heads * (RoundUp(dim, kernels.dim_multiple) + dim + 2);
}

}  // namespace cooper::torch_model::block_attention
