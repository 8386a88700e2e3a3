#ifndef COOPER_MODEL_TORCH_CPU_EXP_APPROXIMATION_H_
#define COOPER_MODEL_TORCH_CPU_EXP_APPROXIMATION_H_

#include <stdint.h>

namespace cooper::torch_model {

// exp(x) for x <= 88: 2^n * e^r, |r| <= ln(2) / 2, by a polynomial of degree
// 6; relative error below 3e-7. Straight-line, so that loops vectorise. Always
// inlined and of internal linkage: sources for different instruction sets
// include it.
__attribute__((always_inline)) static inline float Exp(float x) {
  constexpr float kLog2E = 1.44269504088896341f;
  constexpr float kLn2High = 0.693359375f;
  constexpr float kLn2Low = -2.12194440e-4f;
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted = x * kLog2E + 12582912.0f;  // 1.5 * 2^23: rounds
  const int32_t n = __builtin_bit_cast(int32_t, shifted) - 0x4B400000;
  const float whole = static_cast<float>(n);
  const float r = (x - whole * kLn2High) - whole * kLn2Low;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * __builtin_bit_cast(float, (n + 127) << 23);
}

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_CPU_EXP_APPROXIMATION_H_
