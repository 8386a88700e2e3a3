#include "model/torch/cpu/row_math.h"

#include "model/torch/cpu/instruction_set.h"

namespace cooper::torch_model::row_math {

// Each defined by one build of row_math_kernels.cc.
extern const Functions kBaselineRowMath;
#if defined(__x86_64__)
extern const Functions kAvx2RowMath;
extern const Functions kAvx512RowMath;
#endif

namespace {

const Functions& Choose() {
#if defined(__x86_64__)
  if (RunsAvx512()) return kAvx512RowMath;
  if (RunsAvx2()) return kAvx2RowMath;
#endif
  return kBaselineRowMath;
}

const Functions& Best() {
  static const Functions& kBest = Choose();
  return kBest;
}

}  // namespace

void Norm(const float* in, const float* weight, float* out, int64_t n,
          float eps) {
  Best().norm(in, weight, out, n, eps);
}

void AddNorm(float* x, const float* delta, const float* weight, float* out,
             int64_t n, float eps) {
  Best().add_norm(x, delta, weight, out, n, eps);
}

void NormRope(float* head, const float* weight, const float* cos,
              const float* sin, int64_t dim, float eps) {
  Best().norm_rope(head, weight, cos, sin, dim, eps);
}

void SiluMul(const float* gate, const float* up, float* out, int64_t n) {
  Best().silu_mul(gate, up, out, n);
}

}  // namespace cooper::torch_model::row_math
