#ifndef COOPER_MODEL_CUDA_NORM_CUH_
#define COOPER_MODEL_CUDA_NORM_CUH_

#include "model/cuda/device.cuh"

namespace cooper::cuda::COOPER_CUDA_TARGET {

// A thread keeps up to this many vectors of its row in registers.
inline constexpr int kNormVectors = 4;

// See AddNormArgs. One block a row; a float of shared memory for each warp.
template <typename T>
__global__ void AddNormKernel(T* x, const T* delta, const T* weight, T* out,
                              int width, float eps) {
  COOPER_SHARED(float, partial);
  constexpr int kSize = Vector<T>::kSize;
  const int vectors = width / kSize;
  const int64_t row = int64_t{blockIdx.x} * width;
  Vector<T> kept[kNormVectors];
  float sum = 0.0f;
  COOPER_UNROLL
  for (int k = 0; k < kNormVectors; ++k) {
    const int i = threadIdx.x + k * blockDim.x;
    if (i >= vectors) break;
    kept[k] = LoadVector(x + row + i * kSize);
    if (delta != nullptr) {
      const Vector<T> add = LoadVector(delta + row + i * kSize);
      COOPER_UNROLL
      for (int j = 0; j < kSize; ++j) {
        kept[k].v[j] = FromFloat<T>(ToFloat(kept[k].v[j]) + ToFloat(add.v[j]));
      }
      StoreVector(x + row + i * kSize, kept[k]);
    }
    COOPER_UNROLL
    for (int j = 0; j < kSize; ++j) {
      const float value = ToFloat(kept[k].v[j]);
      sum += value * value;
    }
  }
  const float mean = BlockSum(sum, partial) / static_cast<float>(width);
  const float factor = rsqrtf(mean + eps);
  COOPER_UNROLL
  for (int k = 0; k < kNormVectors; ++k) {
    const int i = threadIdx.x + k * blockDim.x;
    if (i >= vectors) break;
    const Vector<T> scale = LoadVector(weight + i * kSize);
    Vector<T> result;
    COOPER_UNROLL
    for (int j = 0; j < kSize; ++j) {
      result.v[j] = FromFloat<T>(Rounded<T>(ToFloat(kept[k].v[j]) * factor) *
                                 ToFloat(scale.v[j]));
    }
    StoreVector(out + row + i * kSize, result);
  }
}

}  // namespace cooper::cuda::COOPER_CUDA_TARGET

#endif  // COOPER_MODEL_CUDA_NORM_CUH_
