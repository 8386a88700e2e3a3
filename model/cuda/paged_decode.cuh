#ifndef COOPER_MODEL_CUDA_PAGED_DECODE_CUH_
#define COOPER_MODEL_CUDA_PAGED_DECODE_CUH_

#include "model/cuda/device.cuh"
#include "model/cuda/kernels.h"
#include "model/cuda/paged_tensors.cuh"

// Attention of single tokens over pages of keys and values.
//
// The kernel for tensor cores reads each key and value once, straight into
// registers, for all query heads that share it. A block takes a chunk of one
// context's tokens for one key/value head, each of its warps every fourth page;
// another kernel joins the chunks. simple_decode.cuh takes other types and
// shapes.

namespace cooper::cuda::COOPER_CUDA_TARGET {

inline constexpr int kDecodeWarps = 4;
inline constexpr int kDecodeDim = 128;
inline constexpr int kDecodeGroup = 8;  // query heads of a key/value head
// Tokens that a warp takes at a time.
inline constexpr int kStepTokens = 16;

// What a warp has of its tokens, with g = lane / 4 and t = lane % 4. The lane
// holds query heads 2t and 2t + 1 of the group: values[i] are those of element
// 16g + 2i for each of them, then of element 16g + 2i + 1.
struct DecodeState {
  float most[2] = {-INFINITY, -INFINITY};  // score, times log2(e)
  float sum[2] = {0.0f, 0.0f};             // over the lane's own tokens
  float values[8][4] = {};
};

// Scores of kStepTokens tokens from `first` on, of which there are `tokens`:
// those of token first + g for both heads, then of token first + g + 8.
__device__ __forceinline__ void ScoreTokens(const BFloat16* keys, int stride,
                                            int first, int tokens,
                                            const uint32_t (&q)[8][2],
                                            float (&scores)[4]) {
  const int lane = threadIdx.x % kWarp;
  const int g = lane / 4;
  const int t = lane % 4;
  // Tokens behind the last are scored too, and masked afterwards.
  const int low = first + g < tokens ? first + g : tokens - 1;
  const int high = first + g + 8 < tokens ? first + g + 8 : tokens - 1;
  scores[0] = scores[1] = scores[2] = scores[3] = 0.0f;
  COOPER_UNROLL
  for (int part = 0; part < 4; ++part) {
    const int at = 8 * t + 32 * part;
    const uint4 a = *reinterpret_cast<const uint4*>(keys + low * stride + at);
    const uint4 b = *reinterpret_cast<const uint4*>(keys + high * stride + at);
    MultiplyAdd(scores, {a.x, b.x, a.y, b.y}, q[2 * part]);
    MultiplyAdd(scores, {a.z, b.z, a.w, b.w}, q[2 * part + 1]);
  }
}

// The two words' low halves, and their high halves.
__device__ __forceinline__ uint32_t LowHalves(uint32_t a, uint32_t b) {
  return __byte_perm(a, b, 0x5410);
}
__device__ __forceinline__ uint32_t HighHalves(uint32_t a, uint32_t b) {
  return __byte_perm(a, b, 0x7632);
}

// Adds what kStepTokens tokens give: weights[0] are those of the tokens 2t and
// 2t + 1 for head g, weights[1] those eight tokens further.
__device__ __forceinline__ void AddValues(const BFloat16* values, int stride,
                                          int first, int tokens,
                                          const uint32_t (&weights)[2],
                                          DecodeState* state) {
  const int lane = threadIdx.x % kWarp;
  const int g = lane / 4;
  const int t = lane % 4;
  // Elements 16g to 16g + 15 of four tokens; those behind the last are zero,
  // since what lies there may be no number.
  uint32_t v[4][8];
  COOPER_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int token = first + 2 * t + (i % 2) + 8 * (i / 2);
    uint4 words[2] = {{0, 0, 0, 0}, {0, 0, 0, 0}};
    if (token < tokens) {
      const auto* const from =
          reinterpret_cast<const uint4*>(values + token * stride + 16 * g);
      words[0] = from[0];
      words[1] = from[1];
    }
    COOPER_UNROLL
    for (int half = 0; half < 2; ++half) {
      v[i][4 * half] = words[half].x;
      v[i][4 * half + 1] = words[half].y;
      v[i][4 * half + 2] = words[half].z;
      v[i][4 * half + 3] = words[half].w;
    }
  }
  COOPER_UNROLL
  for (int i = 0; i < 8; ++i) {
    MultiplyAdd(state->values[i],
                {LowHalves(v[0][i], v[1][i]), HighHalves(v[0][i], v[1][i]),
                 LowHalves(v[2][i], v[3][i]), HighHalves(v[2][i], v[3][i])},
                weights);
  }
}

// Over the eight lanes that hold the same heads.
__device__ __forceinline__ float MostOfHead(float x) {
  COOPER_UNROLL
  for (int mask = 4; mask < kWarp; mask *= 2) {
    x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, mask));
  }
  return x;
}
__device__ __forceinline__ float SumOfHead(float x) {
  COOPER_UNROLL
  for (int mask = 4; mask < kWarp; mask *= 2) {
    x += __shfl_xor_sync(kAllLanes, x, mask);
  }
  return x;
}

// Takes in kStepTokens tokens of a page from `first` on; the page has `tokens`.
__device__ __forceinline__ void TakeTokens(const BFloat16* keys,
                                           const BFloat16* values, int stride,
                                           int first, int tokens,
                                           float scale_log2,
                                           const uint32_t (&q)[8][2],
                                           DecodeState* state) {
  const int g = threadIdx.x % kWarp / 4;
  float scores[4];
  ScoreTokens(keys, stride, first, tokens, q, scores);
  COOPER_UNROLL
  for (int i = 0; i < 4; ++i) {
    const bool there = first + g + 8 * (i / 2) < tokens;
    scores[i] = there ? scores[i] * scale_log2 : -INFINITY;
  }
  float fade[2];
  COOPER_UNROLL
  for (int head = 0; head < 2; ++head) {
    const float most = fmaxf(state->most[head],
                             MostOfHead(fmaxf(scores[head], scores[2 + head])));
    fade[head] = exp2f(state->most[head] - most);
    state->most[head] = most;
    scores[head] = exp2f(scores[head] - most);
    scores[2 + head] = exp2f(scores[2 + head] - most);
    state->sum[head] =
        state->sum[head] * fade[head] + scores[head] + scores[2 + head];
  }
  COOPER_UNROLL
  for (int i = 0; i < 8; ++i) {
    COOPER_UNROLL
    for (int j = 0; j < 4; ++j) state->values[i][j] *= fade[j % 2];
  }
  const uint32_t weights[2] = {Transposed(PackedPair(scores[0], scores[1])),
                               Transposed(PackedPair(scores[2], scores[3]))};
  AddValues(values, stride, first, tokens, weights, state);
}

// The query heads of a key/value head, head g in each lane. The order of the
// elements within a head is that in which ScoreTokens reads keys.
__device__ __forceinline__ void LoadQueries(const PagedDecode<BFloat16>& args,
                                            int64_t context, int kv_head,
                                            uint32_t (&q)[8][2]) {
  const int lane = threadIdx.x % kWarp;
  const int g = lane / 4;
  const int t = lane % 4;
  const int group = args.heads / args.kv_heads;
  COOPER_UNROLL
  for (int part = 0; part < 4; ++part) {
    uint4 words = {0, 0, 0, 0};
    if (g < group) {
      words = *reinterpret_cast<const uint4*>(
          args.Query(context, kv_head * group + g) + 32 * part + 8 * t);
    }
    q[2 * part][0] = words.x;
    q[2 * part][1] = words.y;
    q[2 * part + 1][0] = words.z;
    q[2 * part + 1][1] = words.w;
  }
}

// What the warps of a block hand to each other.
struct DecodeShared {
  float values[kDecodeWarps][kDecodeGroup][kDecodeDim];
  float most[kDecodeWarps][kDecodeGroup];
  float sum[kDecodeWarps][kDecodeGroup];
};

__device__ __forceinline__ void Share(const DecodeState& state,
                                      DecodeShared* shared) {
  const int warp = threadIdx.x / kWarp;
  const int g = threadIdx.x % kWarp / 4;
  const int t = threadIdx.x % 4;
  COOPER_UNROLL
  for (int j = 0; j < 4; ++j) {
    COOPER_UNROLL
    for (int i = 0; i < 8; ++i) {
      shared->values[warp][2 * t + j % 2][16 * g + 2 * i + j / 2] =
          state.values[i][j];
    }
  }
  COOPER_UNROLL
  for (int head = 0; head < 2; ++head) {
    const float sum = SumOfHead(state.sum[head]);
    if (g == 0) {
      shared->most[warp][2 * t + head] = state.most[head];
      shared->sum[warp][2 * t + head] = sum;
    }
  }
}

// Blocks: (chunk, key/value head, context) with kDecodeWarps warps.
template <typename T>
__global__ void COOPER_LAUNCH_BOUNDS(kDecodeWarps* kWarp, 4)
    PagedDecodeKernel(PagedDecode<T> args) {
  COOPER_SHARED(DecodeShared, shared);
  const int64_t chunk = blockIdx.x;
  const int kv_head = blockIdx.y;
  const int64_t context = blockIdx.z;
  const int64_t length = args.lengths[context];
  constexpr int kTokens = PagedDecodeArgs::kPageTokens;
  const int64_t pages = (length + kTokens - 1) / kTokens;
  const int64_t chunk_pages = PagedDecodeArgs::ChunkPages(pages);
  const int64_t first = chunk * chunk_pages;
  if (first >= pages) return;
  const int64_t end = first + chunk_pages < pages ? first + chunk_pages : pages;

  uint32_t q[8][2];
  LoadQueries(args, context, kv_head, q);
  const float scale_log2 = args.scale * 1.4426950408889634f;
  const int stride = args.kv_heads * kDecodeDim;
  DecodeState state;
  COOPER_UNROLL_BY(1)
  for (int64_t page = first + threadIdx.x / kWarp; page < end;
       page += kDecodeWarps) {
    const int64_t at = args.PageAt(context, page, kv_head);
    const int64_t left = length - page * kTokens;
    const int tokens = static_cast<int>(left < kTokens ? left : kTokens);
    COOPER_UNROLL_BY(1)
    for (int begin = 0; begin < tokens; begin += kStepTokens) {
      TakeTokens(args.keys + at, args.values + at, stride, begin, tokens,
                 scale_log2, q, &state);
    }
  }
  Share(state, shared);
  __syncthreads();

  const bool whole = chunk_pages >= pages;
  const int group = args.heads / args.kv_heads;
  const int element = threadIdx.x;  // as many threads as elements
  COOPER_UNROLL_BY(1)
  for (int g = 0; g < group; ++g) {
    float most = -INFINITY;
    for (int warp = 0; warp < kDecodeWarps; ++warp) {
      most = fmaxf(most, shared->most[warp][g]);
    }
    float sum = 0.0f;
    float value = 0.0f;
    for (int warp = 0; warp < kDecodeWarps; ++warp) {
      const float share = exp2f(shared->most[warp][g] - most);
      sum += share * shared->sum[warp][g];
      value += share * shared->values[warp][g][element];
    }
    const int head = kv_head * group + g;
    if (whole) {
      args.Out(context, head)[element] = FromFloat<T>(value / sum);
      continue;
    }
    float* const partial = args.Partial(context, head, chunk);
    partial[element] = value;
    if (element == 0) {
      partial[kDecodeDim] = most;
      partial[kDecodeDim + 1] = sum;
    }
  }
}

// Joins the chunks. Blocks: (head, context) with a thread for each element.
// Shared memory: the share of each chunk.
template <typename T>
__global__ void JoinChunksKernel(PagedDecode<T> args) {
  COOPER_SHARED(float, shares);
  const int head = blockIdx.x;
  const int64_t context = blockIdx.y;
  constexpr int kTokens = PagedDecodeArgs::kPageTokens;
  const int64_t pages = (args.lengths[context] + kTokens - 1) / kTokens;
  const int64_t chunk_pages = PagedDecodeArgs::ChunkPages(pages);
  const int chunks = static_cast<int>((pages + chunk_pages - 1) / chunk_pages);
  if (chunks == 1) return;  // already in place
  // Every warp finds the largest score and the sum for itself.
  const int lane = threadIdx.x % kWarp;
  constexpr int kEach = PagedDecodeArgs::kMostChunks / kWarp;
  float scores[kEach];
  float sums[kEach];
  float most = -INFINITY;
  COOPER_UNROLL
  for (int i = 0; i < kEach; ++i) {
    const int chunk = lane + kWarp * i;
    const bool there = chunk < chunks;
    const float* const partial = args.Partial(context, head, there ? chunk : 0);
    scores[i] = there ? partial[kDecodeDim] : -INFINITY;
    sums[i] = there ? partial[kDecodeDim + 1] : 0.0f;
    most = fmaxf(most, scores[i]);
  }
  COOPER_UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, mask));
  }
  float sum = 0.0f;
  COOPER_UNROLL
  for (int i = 0; i < kEach; ++i) {
    const float share = exp2f(scores[i] - most);
    sum += share * sums[i];
    if (threadIdx.x < kWarp) shares[lane + kWarp * i] = share;
  }
  sum = WarpSum(sum);
  __syncthreads();
  float value = 0.0f;
  const float* const first = args.Partial(context, head, 0) + threadIdx.x;
  COOPER_UNROLL_BY(8)
  for (int chunk = 0; chunk < chunks; ++chunk) {
    value += shares[chunk] * first[int64_t{chunk} * (kDecodeDim + 2)];
  }
  args.Out(context, head)[threadIdx.x] = FromFloat<T>(value / sum);
}

}  // namespace cooper::cuda::COOPER_CUDA_TARGET

#endif  // COOPER_MODEL_CUDA_PAGED_DECODE_CUH_
