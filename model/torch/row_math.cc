#include "model/torch/row_math.h"

#include <algorithm>
#include <bit>
#include <cmath>

// The file is compiled with -fassociative-math and friends (CMakeLists.txt):
// sums may be reordered, so that they vectorise.
#define COOPER_MULTI_VERSION \
  __attribute__((target_clones("avx512f", "arch=haswell", "default")))

namespace cooper::torch_model::row_math {
namespace {

// exp(x) for x <= 88: 2^n * e^r, |r| <= ln(2) / 2, by a polynomial of degree
// 6; relative error below 3e-7. Straight-line, so that loops vectorise.
__attribute__((always_inline)) inline float Exp(float x) {
  constexpr float kLog2E = 1.44269504088896341f;
  constexpr float kLn2High = 0.693359375f;
  constexpr float kLn2Low = -2.12194440e-4f;
  x = std::max(x, -87.0f);
  x = std::min(x, 88.0f);
  const float shifted = x * kLog2E + 12582912.0f;  // 1.5 * 2^23: rounds
  const int32_t n = std::bit_cast<int32_t>(shifted) - 0x4B400000;
  const float whole = static_cast<float>(n);
  const float r = (x - whole * kLn2High) - whole * kLn2Low;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * std::bit_cast<float>((n + 127) << 23);
}

__attribute__((always_inline)) inline float InverseRms(const float* x,
                                                       int64_t n, float eps) {
  float sum = 0.0f;
  for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return 1.0f / std::sqrt(sum / static_cast<float>(n) + eps);
}

}  // namespace

COOPER_MULTI_VERSION
void Norm(const float* in, const float* weight, float* out, int64_t n,
          float eps) {
  const float scale = InverseRms(in, n, eps);
  for (int64_t i = 0; i < n; ++i) out[i] = in[i] * scale * weight[i];
}

COOPER_MULTI_VERSION
void AddNorm(float* x, const float* delta, const float* weight, float* out,
             int64_t n, float eps) {
  float sum = 0.0f;
  for (int64_t i = 0; i < n; ++i) {
    const float value = x[i] + delta[i];
    x[i] = value;
    sum += value * value;
  }
  const float scale = 1.0f / std::sqrt(sum / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

COOPER_MULTI_VERSION
void NormRope(float* head, const float* weight, const float* cos,
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

COOPER_MULTI_VERSION
void SiluMul(const float* gate, const float* up, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    out[i] = gate[i] / (1.0f + Exp(-gate[i])) * up[i];
  }
}

COOPER_MULTI_VERSION
void AttendPaged(const PagedHead& head, float* scores, float* out) {
  const int64_t dim = head.dim;
  for (int64_t begin = 0; begin < head.tokens; begin += head.page_tokens) {
    const float* page =
        head.keys + int64_t{head.pages[begin / head.page_tokens]} *
                        head.page_tokens * head.token_stride;
    const int64_t count = std::min(head.page_tokens, head.tokens - begin);
    for (int64_t t = 0; t < count; ++t) {
      const float* key = page + t * head.token_stride;
      for (int64_t h = 0; h < head.heads; ++h) {
        const float* query = head.query + h * dim;
        float dot = 0.0f;
        for (int64_t i = 0; i < dim; ++i) dot += query[i] * key[i];
        scores[h * head.tokens + begin + t] = dot * head.scale;
      }
    }
  }
  for (int64_t h = 0; h < head.heads; ++h) {
    float* row = scores + h * head.tokens;
    float largest = row[0];
    for (int64_t t = 0; t < head.tokens; ++t) {
      largest = std::max(largest, row[t]);
    }
    float sum = 0.0f;
    for (int64_t t = 0; t < head.tokens; ++t) {
      row[t] = Exp(row[t] - largest);
      sum += row[t];
    }
    const float inverse = 1.0f / sum;
    for (int64_t t = 0; t < head.tokens; ++t) row[t] *= inverse;
  }
  std::fill(out, out + head.heads * dim, 0.0f);
  for (int64_t begin = 0; begin < head.tokens; begin += head.page_tokens) {
    const float* page =
        head.values + int64_t{head.pages[begin / head.page_tokens]} *
                          head.page_tokens * head.token_stride;
    const int64_t count = std::min(head.page_tokens, head.tokens - begin);
    for (int64_t t = 0; t < count; ++t) {
      const float* value = page + t * head.token_stride;
      for (int64_t h = 0; h < head.heads; ++h) {
        const float weight = scores[h * head.tokens + begin + t];
        float* sum = out + h * dim;
        for (int64_t i = 0; i < dim; ++i) sum[i] += weight * value[i];
      }
    }
  }
}

}  // namespace cooper::torch_model::row_math
