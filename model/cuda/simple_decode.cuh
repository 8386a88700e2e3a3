#ifndef COOPER_MODEL_CUDA_SIMPLE_DECODE_CUH_
#define COOPER_MODEL_CUDA_SIMPLE_DECODE_CUH_

#include "model/cuda/device.cuh"
#include "model/cuda/kernels.h"
#include "model/cuda/paged_tensors.cuh"

namespace cooper::cuda::COOPER_CUDA_TARGET {

inline constexpr int kSimpleElements = kMostHeadDim / kWarp;

// Attention of single tokens over pages, for any type and shape: a token of the
// context after the other. Blocks: (head, context) of one warp.
template <typename T>
__global__ void SimpleDecodeKernel(PagedDecode<T> args) {
  const int head = blockIdx.x;
  const int64_t context = blockIdx.y;
  const int lane = threadIdx.x;
  const int kv_head = head / (args.heads / args.kv_heads);
  const T* const query = args.Query(context, head);
  const int64_t stride = int64_t{args.kv_heads} * args.dim;
  constexpr int kTokens = PagedDecodeArgs::kPageTokens;
  float q[kSimpleElements];
  float values[kSimpleElements];
  float most = -INFINITY;
  float sum = 0.0f;
  COOPER_UNROLL
  for (int i = 0; i < kSimpleElements; ++i) {
    const int element = lane + kWarp * i;
    q[i] = element < args.dim ? ToFloat(query[element]) * args.scale : 0.0f;
    values[i] = 0.0f;
  }
  const int64_t length = args.lengths[context];
  for (int64_t token = 0; token < length; ++token) {
    const int64_t at = args.PageAt(context, token / kTokens, kv_head) +
                       token % kTokens * stride;
    float product = 0.0f;
    COOPER_UNROLL
    for (int i = 0; i < kSimpleElements; ++i) {
      const int element = lane + kWarp * i;
      if (element >= args.dim) break;
      product += q[i] * ToFloat(args.keys[at + element]);
    }
    const float score = WarpSum(product);
    const float higher = fmaxf(most, score);
    const float fade = expf(most - higher);
    const float weight = expf(score - higher);
    most = higher;
    sum = sum * fade + weight;
    COOPER_UNROLL
    for (int i = 0; i < kSimpleElements; ++i) {
      const int element = lane + kWarp * i;
      if (element >= args.dim) break;
      values[i] =
          values[i] * fade + weight * ToFloat(args.values[at + element]);
    }
  }
  T* const out = args.Out(context, head);
  COOPER_UNROLL
  for (int i = 0; i < kSimpleElements; ++i) {
    const int element = lane + kWarp * i;
    if (element >= args.dim) break;
    out[element] = FromFloat<T>(values[i] / sum);
  }
}

}  // namespace cooper::cuda::COOPER_CUDA_TARGET

#endif  // COOPER_MODEL_CUDA_SIMPLE_DECODE_CUH_
