#ifndef COOPER_MODEL_CUDA_DEVICE_CUH_
#define COOPER_MODEL_CUDA_DEVICE_CUH_

// What the kernels are written with, on a GPU and under the emulator of
// tests/cuda: numbers, vectors of 16 bytes, sums over warps and blocks, and the
// product of small matrices on tensor cores.

#include <cfloat>
#include <cstdint>

// A program may hold the kernels for both: each is in a namespace of its own.
#ifdef __CUDACC__
#include <cuda_bf16.h>
#define COOPER_CUDA_TARGET gpu
#define COOPER_UNROLL _Pragma("unroll")
#define COOPER_PRAGMA(text) _Pragma(#text)
#define COOPER_UNROLL_BY(n) COOPER_PRAGMA(unroll n)
#define COOPER_LAUNCH_BOUNDS(threads, blocks) __launch_bounds__(threads, blocks)
#define COOPER_SHARED(type, name)           \
  extern __shared__ uint4 cooper_shared_[]; \
  type* const name = reinterpret_cast<type*>(cooper_shared_)
#else
#include "tests/cuda/emulator.h"
#define COOPER_CUDA_TARGET emulated
#endif

namespace cooper::cuda::COOPER_CUDA_TARGET {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

struct BFloat16 {
  uint16_t bits;
};

__device__ __forceinline__ float ToFloat(float x) { return x; }
__device__ __forceinline__ float ToFloat(BFloat16 x) {
  return __uint_as_float(static_cast<uint32_t>(x.bits) << 16);
}

// Rounds to nearest, ties to even.
template <typename T>
__device__ __forceinline__ T FromFloat(float x);
template <>
__device__ __forceinline__ float FromFloat<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ BFloat16 FromFloat<BFloat16>(float x) {
#ifdef __CUDACC__
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
#else
  const uint32_t bits = __float_as_uint(x);
  if (x != x) return {static_cast<uint16_t>((bits >> 16) | 0x40)};
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
#endif
}
template <typename T>
__device__ __forceinline__ float Rounded(float x) {
  return ToFloat(FromFloat<T>(x));
}

// 16 bytes, which one instruction loads.
template <typename T>
struct alignas(16) Vector {
  static constexpr int kSize = 16 / sizeof(T);
  T v[kSize];
};
template <typename T>
struct alignas(2 * sizeof(T)) Pair {
  T a, b;
};

template <typename T>
__device__ __forceinline__ Vector<T> LoadVector(const T* from) {
  return *reinterpret_cast<const Vector<T>*>(from);
}
template <typename T>
__device__ __forceinline__ void StoreVector(T* to, const Vector<T>& value) {
  *reinterpret_cast<Vector<T>*>(to) = value;
}

__device__ __forceinline__ float WarpSum(float x) {
  COOPER_UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    x += __shfl_xor_sync(kAllLanes, x, mask);
  }
  return x;
}

// `partial` holds a float for each warp. All threads get the sum.
__device__ __forceinline__ float BlockSum(float x, float* partial) {
  x = WarpSum(x);
  if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = x;
  __syncthreads();
  float sum = 0.0f;
  for (unsigned warp = 0; warp < blockDim.x / kWarp; ++warp) {
    sum += partial[warp];
  }
  return sum;
}

__device__ __forceinline__ uint32_t PackedPair(float low, float high) {
  return static_cast<uint32_t>(FromFloat<BFloat16>(low).bits) |
         (static_cast<uint32_t>(FromFloat<BFloat16>(high).bits) << 16);
}

// The left matrix of MultiplyAdd.
struct MatrixA {
  uint32_t words[4];
};

// d += a * b on a warp: a [16, 16] and b [16, 8] of bfloat16, d [16, 8] of
// float32. With g = lane / 4 and t = lane % 4 a lane holds
//   a[0]: row g, columns 2t and 2t + 1;  a[1]: row g + 8, the same columns
//   a[2], a[3]: as a[0], a[1], eight columns further
//   b[0]: rows 2t and 2t + 1 of column g;  b[1]: eight rows further
//   d[0], d[1]: row g, columns 2t and 2t + 1;  d[2], d[3]: row g + 8
__device__ __forceinline__ void MultiplyAdd(float (&d)[4], const MatrixA& a,
                                            const uint32_t (&b)[2]) {
#ifdef __CUDACC__
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a.words[0]), "r"(a.words[1]), "r"(a.words[2]), "r"(a.words[3]),
        "r"(b[0]), "r"(b[1]));
#else
  emulator::MultiplyAdd(d, a.words, b);
#endif
}

// A matrix [8, 8] of 16-bit numbers on a warp, transposed: a lane holds columns
// 2t and 2t + 1 of row g.
__device__ __forceinline__ uint32_t Transposed(uint32_t x) {
#ifdef __CUDACC__
  uint32_t result;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(result) : "r"(x));
  return result;
#else
  return emulator::Transposed(x);
#endif
}

}  // namespace cooper::cuda::COOPER_CUDA_TARGET

#endif  // COOPER_MODEL_CUDA_DEVICE_CUH_
