#ifndef COOPER_MODEL_TORCH_CPU_ROW_MATH_H_
#define COOPER_MODEL_TORCH_CPU_ROW_MATH_H_

#include <stdint.h>

// Fused float32 kernels over single rows: what stands between two matrix
// products. Built for several instruction sets like packed_gemm.h (no inline
// function here either); the widest that the processor has is chosen when the
// program starts. No allocation, no threads: callers split rows.

namespace cooper::torch_model::row_math {

// out[i] = in[i] / sqrt(mean(in^2) + eps) * weight[i].
void Norm(const float* in, const float* weight, float* out, int64_t n,
          float eps);

// x += delta, then Norm of x.
void AddNorm(float* x, const float* delta, const float* weight, float* out,
             int64_t n, float eps);

// In place over one head: Norm with `weight` (null: none), then rope with
// rotate-half; `cos` and `sin` are [dim / 2].
void NormRope(float* head, const float* weight, const float* cos,
              const float* sin, int64_t dim, float eps);

// out[i] = silu(gate[i]) * up[i].
void SiluMul(const float* gate, const float* up, float* out, int64_t n);

// The builds for one instruction set.
struct Functions {
  decltype(&Norm) norm;
  decltype(&AddNorm) add_norm;
  decltype(&NormRope) norm_rope;
  decltype(&SiluMul) silu_mul;
};

}  // namespace cooper::torch_model::row_math

#endif  // COOPER_MODEL_TORCH_CPU_ROW_MATH_H_
