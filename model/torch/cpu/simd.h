#ifndef COOPER_MODEL_TORCH_CPU_SIMD_H_
#define COOPER_MODEL_TORCH_CPU_SIMD_H_

#include <stdint.h>

// Vectors as wide as the registers of the instruction set that a source is
// built for. Only for the sources that are built once for each
// (CMakeLists.txt): what these names mean differs between them, so nothing here
// has linkage, and functions are always inlined.

#define COOPER_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define COOPER_UNROLL _Pragma("unroll")
#else
#define COOPER_UNROLL _Pragma("GCC unroll 16")
#endif

namespace cooper::torch_model::simd {

// Values of a vector.
#if defined(__AVX512F__)
constexpr int64_t kWidth = 16;
#elif defined(__AVX2__)
constexpr int64_t kWidth = 8;
#else
constexpr int64_t kWidth = 4;
#endif

// GCC's and Clang's vector extension rather than intrinsics: one source for all
// instruction sets. `auto` would lose what LooseFloats says of alignment.
typedef float Floats __attribute__((vector_size(4 * kWidth)));
typedef float LooseFloats __attribute__((vector_size(4 * kWidth), aligned(4)));
typedef int32_t Indices __attribute__((vector_size(4 * kWidth)));
typedef uint32_t Words __attribute__((vector_size(4 * kWidth)));

static COOPER_INLINE int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }

static COOPER_INLINE Floats Load(const float* from) {
  return *reinterpret_cast<const LooseFloats*>(from);
}

static COOPER_INLINE void Save(float* to, Floats value) {
  *reinterpret_cast<LooseFloats*>(to) = value;
}

}  // namespace cooper::torch_model::simd

#endif  // COOPER_MODEL_TORCH_CPU_SIMD_H_
