#ifndef COOPER_MODEL_CUDA_ELEMENTWISE_CUH_
#define COOPER_MODEL_CUDA_ELEMENTWISE_CUH_

#include "model/cuda/device.cuh"

namespace cooper::cuda::COOPER_CUDA_TARGET {

__device__ __forceinline__ float Silu(float x) { return x / (1.0f + expf(-x)); }

// See SiluMulArgs. A thread for each vector of the output.
template <typename T>
__global__ void SiluMulKernel(const T* gate_up, T* out, int64_t rows,
                              int64_t width) {
  constexpr int kSize = Vector<T>::kSize;
  const int64_t vectors = width / kSize;
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= rows * vectors) return;
  const int64_t row = i / vectors;
  const int64_t at = (i - row * vectors) * kSize;
  const Vector<T> gate = LoadVector(gate_up + row * 2 * width + at);
  const Vector<T> up = LoadVector(gate_up + row * 2 * width + width + at);
  Vector<T> result;
  COOPER_UNROLL
  for (int j = 0; j < kSize; ++j) {
    result.v[j] =
        FromFloat<T>(Rounded<T>(Silu(ToFloat(gate.v[j]))) * ToFloat(up.v[j]));
  }
  StoreVector(out + i * kSize, result);
}

// See WriteCacheArgs. A thread for each vector of a row's keys and values;
// `width` is that of either.
template <typename T>
__global__ void WriteCacheKernel(const T* qkv, const int64_t* rows,
                                 const int64_t* slots, T* keys, T* values,
                                 int64_t count, int64_t query_width,
                                 int64_t width) {
  constexpr int kSize = Vector<T>::kSize;
  const int64_t vectors = width / kSize;
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count * 2 * vectors) return;
  const int64_t index = i / (2 * vectors);
  const int64_t part = i - index * 2 * vectors;
  const bool is_value = part >= vectors;
  const int64_t at = (part - (is_value ? vectors : 0)) * kSize;
  const int64_t row = rows != nullptr ? rows[index] : index;
  const T* const from =
      qkv + row * (query_width + 2 * width) + query_width + part * kSize;
  StoreVector((is_value ? values : keys) + slots[index] * width + at,
              LoadVector(from));
}

}  // namespace cooper::cuda::COOPER_CUDA_TARGET

#endif  // COOPER_MODEL_CUDA_ELEMENTWISE_CUH_
