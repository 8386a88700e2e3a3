#ifndef COOPER_MODEL_CUDA_PAGED_TENSORS_CUH_
#define COOPER_MODEL_CUDA_PAGED_TENSORS_CUH_

#include "model/cuda/device.cuh"
#include "model/cuda/kernels.h"

namespace cooper::cuda::COOPER_CUDA_TARGET {

// The tensors of PagedDecodeArgs.
template <typename T>
struct PagedDecode {
  const T* qkv;
  const int64_t* rows;
  const int64_t* pages;
  const int64_t* lengths;
  const T* keys;
  const T* values;
  T* out;
  float* partial;
  int64_t most_pages;
  int64_t most_chunks;
  int heads, kv_heads, dim;
  float scale;

  __device__ int64_t row_width() const {
    return int64_t{heads + 2 * kv_heads} * dim;
  }
  __device__ const T* Query(int64_t context, int head) const {
    return qkv + rows[context] * row_width() + int64_t{head} * dim;
  }
  __device__ T* Out(int64_t context, int head) const {
    return out + (rows[context] * heads + head) * dim;
  }
  // The first token of a page, of one head.
  __device__ int64_t PageAt(int64_t context, int64_t page, int kv_head) const {
    const int64_t slot =
        pages[context * most_pages + page] * PagedDecodeArgs::kPageTokens;
    return (slot * kv_heads + kv_head) * dim;
  }
  // Of one head and chunk: dim values, then the largest score and the sum.
  __device__ float* Partial(int64_t context, int head, int64_t chunk) const {
    return partial +
           ((context * heads + head) * most_chunks + chunk) * (dim + 2);
  }
};

}  // namespace cooper::cuda::COOPER_CUDA_TARGET

#endif  // COOPER_MODEL_CUDA_PAGED_TENSORS_CUH_
