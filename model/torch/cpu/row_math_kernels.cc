// Built once for each instruction set, as packed_gemm_kernels.cc is;
// COOPER_ROW_MATH names the table that it defines. Sums may be reordered
// (CMakeLists.txt), so that they vectorise.

#include "model/torch/cpu/exp_approximation.h"
#include "model/torch/cpu/row_math.h"

namespace cooper::torch_model::row_math {
namespace {

__attribute__((always_inline)) inline float InverseRms(const float* x,
                                                       int64_t n, float eps) {
  float sum = 0.0f;
  for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return 1.0f / __builtin_sqrtf(sum / static_cast<float>(n) + eps);
}

void NormRow(const float* in, const float* weight, float* out, int64_t n,
             float eps) {
  const float scale = InverseRms(in, n, eps);
  for (int64_t i = 0; i < n; ++i) out[i] = in[i] * scale * weight[i];
}

void AddNormRow(float* x, const float* delta, const float* weight, float* out,
                int64_t n, float eps) {
  float sum = 0.0f;
  for (int64_t i = 0; i < n; ++i) {
    const float value = x[i] + delta[i];
    x[i] = value;
    sum += value * value;
  }
  const float scale = 1.0f / __builtin_sqrtf(sum / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

void NormRopeRow(float* head, const float* weight, const float* cos,
                 const float* sin, int64_t dim, float eps) {
  if (weight != nullptr) {
    const float scale = InverseRms(head, dim, eps);
    for (int64_t i = 0; i < dim; ++i) head[i] = head[i] * scale * weight[i];
  }
  const int64_t half = dim / 2;
  for (int64_t i = 0; i < half; ++i) {
    const float a = head[i];
    const float b = head[i + half];
    head[i] = a * cos[i] - b * sin[i];
    head[i + half] = b * cos[i] + a * sin[i];
  }
}

void SiluMulRow(const float* gate, const float* up, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    out[i] = gate[i] / (1.0f + Exp(-gate[i])) * up[i];
  }
}

}  // namespace

extern const Functions COOPER_ROW_MATH;
const Functions COOPER_ROW_MATH = {&NormRow, &AddNormRow, &NormRopeRow,
                                   &SiluMulRow};

}  // namespace cooper::torch_model::row_math
