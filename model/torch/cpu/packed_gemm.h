#ifndef COOPER_MODEL_TORCH_CPU_PACKED_GEMM_H_
#define COOPER_MODEL_TORCH_CPU_PACKED_GEMM_H_

#include <stdint.h>

// Matrix products y = x W^T in float32 arithmetic over weights that stay in
// the bytes they have in the checkpoint (two for bf16 and float16).
//
// One token (one row of x) is bound by reading the weights, many rows by
// arithmetic; the same packed weights serve both. Each instruction set has its
// own build of packed_gemm_kernels.cc; which one runs is decided when the
// program starts. No allocation, no threads, no libtorch.
//
// A value of y is computed by the same operations in the same order whatever
// the number of rows: a result does not depend on what else is in the batch,
// not even by rounding.
//
// The header is also read by the builds for single instruction sets, so it
// holds no inline function.

namespace cooper::torch_model::packed_gemm {

enum class Format { kBf16, kF16, kF32 };

// W [n, k] as panels of `panel_columns` outputs, the last one filled up with
// zeros. A panel holds, for each of the k inputs, its outputs side by side: in
// two-byte formats output j and output j + panel_columns / 2 share a 32-bit
// word (the former in the low half).
struct Packed {
  Format format;
  int64_t n, k;
  const void* panels;  // aligned to 64 bytes
};

// Rows of x and y; the distance between rows in floats.
struct Rows {
  const float* x;
  int64_t x_stride;
  float* y;
  int64_t y_stride;
  int64_t count;
};

struct Kernels {
  const char* name;       // of the instruction set
  int64_t panel_columns;  // outputs of a panel
  int64_t row_block;      // rows that one pass over a panel serves
  // Floats of scratch that Multiply needs, aligned to 64 bytes.
  int64_t scratch_floats;
  // The outputs of panels [panel_begin, panel_end); adds `bias` [n] unless
  // null.
  void (*multiply)(const Packed& weights, int64_t panel_begin,
                   int64_t panel_end, const float* bias, const Rows& rows,
                   float* scratch);
};

// Of one instruction set; null where the processor (or the build's target)
// lacks it.
const Kernels* Avx512Kernels();
const Kernels* Avx2Kernels();
const Kernels* BaselineKernels();  // never null

// The widest that the processor runs.
const Kernels& BestKernels();

}  // namespace cooper::torch_model::packed_gemm

#endif  // COOPER_MODEL_TORCH_CPU_PACKED_GEMM_H_
