#ifndef COOPER_MODEL_CUDA_ROPE_CUH_
#define COOPER_MODEL_CUDA_ROPE_CUH_

#include "model/cuda/device.cuh"

namespace cooper::cuda::COOPER_CUDA_TARGET {

// Pairs of neighbours that a lane holds of each half of a head.
inline constexpr int kRopePairs = 4;

// The elements 2p, 2p + 1 of a head's first half and those of its second half
// that they turn with.
template <typename T>
struct HeadPart {
  float a[2], b[2];
};

template <typename T>
__device__ __forceinline__ void NormPart(HeadPart<T>* part, const T* weight,
                                         int at, int half, float factor,
                                         bool wide) {
  const Pair<T> low = *reinterpret_cast<const Pair<T>*>(weight + at);
  const Pair<T> high = *reinterpret_cast<const Pair<T>*>(weight + half + at);
  const float weights[4] = {ToFloat(low.a), ToFloat(low.b), ToFloat(high.a),
                            ToFloat(high.b)};
  COOPER_UNROLL
  for (int i = 0; i < 2; ++i) {
    const float a = part->a[i] * factor;
    const float b = part->b[i] * factor;
    part->a[i] = wide ? a * weights[i] : Rounded<T>(Rounded<T>(a) * weights[i]);
    part->b[i] =
        wide ? b * weights[2 + i] : Rounded<T>(Rounded<T>(b) * weights[2 + i]);
  }
}

template <typename T>
__device__ __forceinline__ void Turn(HeadPart<T>* part, const float* cos,
                                     const float* sin, int at, bool wide) {
  COOPER_UNROLL
  for (int i = 0; i < 2; ++i) {
    const float a = part->a[i];
    const float b = part->b[i];
    const float c = cos[at + i];
    const float s = sin[at + i];
    if (wide) {
      part->a[i] = a * c - b * s;
      part->b[i] = b * c + a * s;
    } else {
      part->a[i] = Rounded<T>(a * c) - Rounded<T>(b * s);
      part->b[i] = Rounded<T>(b * c) + Rounded<T>(a * s);
    }
  }
}

// See NormRopeArgs. One warp for each query and key head of each row.
template <typename T>
__global__ void NormRopeKernel(T* qkv, const T* q_norm, const T* k_norm,
                               const float* cos, const float* sin,
                               const bool* wide_rows, bool all_wide,
                               int64_t rows, int heads, int kv_heads, int dim,
                               float eps) {
  const int turned = heads + kv_heads;
  const int64_t item =
      int64_t{blockIdx.x} * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  if (item >= rows * turned) return;
  const int lane = threadIdx.x % kWarp;
  const int64_t row = item / turned;
  const int head = static_cast<int>(item % turned);
  const int half = dim / 2;
  const bool wide = wide_rows != nullptr ? wide_rows[row] : all_wide;
  const T* const weight = head < heads ? q_norm : k_norm;
  T* const x = qkv + (row * (turned + kv_heads) + head) * dim;

  HeadPart<T> parts[kRopePairs];
  float sum = 0.0f;
  COOPER_UNROLL
  for (int k = 0; k < kRopePairs; ++k) {
    const int at = 2 * (lane + k * kWarp);
    if (at >= half) break;
    const Pair<T> low = *reinterpret_cast<const Pair<T>*>(x + at);
    const Pair<T> high = *reinterpret_cast<const Pair<T>*>(x + half + at);
    parts[k] = {{ToFloat(low.a), ToFloat(low.b)},
                {ToFloat(high.a), ToFloat(high.b)}};
    COOPER_UNROLL
    for (int i = 0; i < 2; ++i) {
      sum += parts[k].a[i] * parts[k].a[i] + parts[k].b[i] * parts[k].b[i];
    }
  }
  float factor = 0.0f;
  if (weight != nullptr) {
    factor = rsqrtf(WarpSum(sum) / static_cast<float>(dim) + eps);
  }
  COOPER_UNROLL
  for (int k = 0; k < kRopePairs; ++k) {
    const int at = 2 * (lane + k * kWarp);
    if (at >= half) break;
    if (weight != nullptr) {
      NormPart(&parts[k], weight, at, half, factor, wide);
    }
    Turn(&parts[k], cos + row * half, sin + row * half, at, wide);
    *reinterpret_cast<Pair<T>*>(x + at) = {FromFloat<T>(parts[k].a[0]),
                                           FromFloat<T>(parts[k].a[1])};
    *reinterpret_cast<Pair<T>*>(x + half + at) = {FromFloat<T>(parts[k].b[0]),
                                                  FromFloat<T>(parts[k].b[1])};
  }
}

}  // namespace cooper::cuda::COOPER_CUDA_TARGET

#endif  // COOPER_MODEL_CUDA_ROPE_CUH_
