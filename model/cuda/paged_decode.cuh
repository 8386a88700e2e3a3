#ifndef COOPER_MODEL_CUDA_PAGED_DECODE_CUH_
#define COOPER_MODEL_CUDA_PAGED_DECODE_CUH_

#include "model/cuda/device.cuh"
#include "model/cuda/kernels.h"

// Attention of single tokens over pages of keys and values.
//
// The kernel for tensor cores reads each key and value once, straight into
// registers, for all query heads that share it. A block takes a chunk of one
// context's tokens for one key/value head, each of its warps every fourth page;
// another kernel joins the chunks. The simple kernel takes any type and shape.

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

inline constexpr int kDecodeWarps = 4;
inline constexpr int kDecodeDim = 128;
inline constexpr int kDecodeGroup = 8;  // query heads of a key/value head

// What a warp has of its tokens: with g = lane / 4 and t = lane % 4, of query
// head g. values[i] are those of the elements 32t + i and 32t + 16 + i.
struct DecodeState {
  float most = -INFINITY;  // score, times log2(e)
  float sum = 0.0f;
  float values[16][2] = {};
};

// Scores of the 64 tokens of a page: scores[j] are those of the tokens
// 8j + 2t and 8j + 2t + 1.
__device__ __forceinline__ void ScorePage(const BFloat16* keys, int64_t stride,
                                          int tokens, const uint32_t (&q)[8][2],
                                          float (&scores)[8][2]) {
  const int lane = threadIdx.x % kWarp;
  const int g = lane / 4;
  const int t = lane % 4;
COOPER_UNROLL
  for (int j = 0; j < 8; ++j) {
    // Tokens behind the last are scored too, and masked afterwards.
    const int token = 8 * j + g < tokens ? 8 * j + g : tokens - 1;
    const BFloat16* const key = keys + token * stride + 8 * t;
    scores[j][0] = scores[j][1] = 0.0f;
COOPER_UNROLL
    for (int part = 0; part < 4; ++part) {
      const uint4 k = *reinterpret_cast<const uint4*>(key + 32 * part);
      MultiplyUpperHalf(scores[j], q[2 * part][0], q[2 * part][1], k.x, k.y);
      MultiplyUpperHalf(scores[j], q[2 * part + 1][0], q[2 * part + 1][1], k.z,
                        k.w);
    }
  }
}

// The two words' low halves, and their high halves.
__device__ __forceinline__ uint32_t LowHalves(uint32_t a, uint32_t b) {
  return __byte_perm(a, b, 0x5410);
}
__device__ __forceinline__ uint32_t HighHalves(uint32_t a, uint32_t b) {
  return __byte_perm(a, b, 0x7632);
}

// Adds what 16 tokens give: `weights` are those of the tokens 2t, 2t + 1 and
// 2t + 8, 2t + 9.
__device__ __forceinline__ void AddValues(const BFloat16* values,
                                          int64_t stride, int first, int tokens,
                                          const uint32_t (&weights)[2],
                                          DecodeState* state) {
  const int lane = threadIdx.x % kWarp;
  const int g = lane / 4;
  const int t = lane % 4;
  // Elements 16g to 16g + 15 of four tokens; those behind the last are zero,
  // since what lies there may be no number.
  uint4 v[4][2];
COOPER_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int token = first + 2 * t + (i % 2) + 8 * (i / 2);
    v[i][0] = v[i][1] = uint4{0, 0, 0, 0};
    if (token >= tokens) continue;
    const auto* const from = reinterpret_cast<const uint4*>(
        values + token * stride + 16 * g);
    v[i][0] = from[0];
    v[i][1] = from[1];
  }
COOPER_UNROLL
  for (int part = 0; part < 2; ++part) {
    const uint32_t a[4] = {v[0][part].x, v[0][part].y, v[0][part].z,
                           v[0][part].w};
    const uint32_t b[4] = {v[1][part].x, v[1][part].y, v[1][part].z,
                           v[1][part].w};
    const uint32_t c[4] = {v[2][part].x, v[2][part].y, v[2][part].z,
                           v[2][part].w};
    const uint32_t d[4] = {v[3][part].x, v[3][part].y, v[3][part].z,
                           v[3][part].w};
COOPER_UNROLL
    for (int word = 0; word < 4; ++word) {
      const int at = 8 * part + 2 * word;
      MultiplyUpperHalf(state->values[at], weights[0], weights[1],
                        LowHalves(a[word], b[word]),
                        LowHalves(c[word], d[word]));
      MultiplyUpperHalf(state->values[at + 1], weights[0], weights[1],
                        HighHalves(a[word], b[word]),
                        HighHalves(c[word], d[word]));
    }
  }
}

// The largest or the sum over the four lanes that hold a head's scores.
__device__ __forceinline__ float MostOfHead(float x) {
  x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, 1));
  return fmaxf(x, __shfl_xor_sync(kAllLanes, x, 2));
}
__device__ __forceinline__ float SumOfHead(float x) {
  x += __shfl_xor_sync(kAllLanes, x, 1);
  return x + __shfl_xor_sync(kAllLanes, x, 2);
}

// Takes in a page, `tokens` of whose tokens are there.
__device__ __forceinline__ void TakePage(const BFloat16* keys,
                                         const BFloat16* values, int64_t stride,
                                         int tokens, float scale_log2,
                                         const uint32_t (&q)[8][2],
                                         DecodeState* state) {
  const int t = threadIdx.x % 4;
  float scores[8][2];
  ScorePage(keys, stride, tokens, q, scores);
  float most = state->most;
COOPER_UNROLL
  for (int j = 0; j < 8; ++j) {
COOPER_UNROLL
    for (int i = 0; i < 2; ++i) {
      const bool there = 8 * j + 2 * t + i < tokens;
      scores[j][i] = there ? scores[j][i] * scale_log2 : -INFINITY;
      most = fmaxf(most, scores[j][i]);
    }
  }
  most = MostOfHead(most);
  const float fade = exp2f(state->most - most);
  state->most = most;
  float sum = 0.0f;
COOPER_UNROLL
  for (int j = 0; j < 8; ++j) {
COOPER_UNROLL
    for (int i = 0; i < 2; ++i) {
      scores[j][i] = exp2f(scores[j][i] - most);
      sum += scores[j][i];
    }
  }
  state->sum = state->sum * fade + SumOfHead(sum);
COOPER_UNROLL
  for (int i = 0; i < 16; ++i) {
    state->values[i][0] *= fade;
    state->values[i][1] *= fade;
  }
COOPER_UNROLL
  for (int j = 0; j < 8; j += 2) {
    const uint32_t weights[2] = {PackedPair(scores[j][0], scores[j][1]),
                                 PackedPair(scores[j + 1][0], scores[j + 1][1])};
    AddValues(values, stride, 8 * j, tokens, weights, state);
  }
}

// The query heads of a key/value head as the left matrix of the products. The
// order of the elements within a head is that in which ScorePage reads keys.
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
  for (int i = 0; i < 16; ++i) {
    shared->values[warp][g][32 * t + i] = state.values[i][0];
    shared->values[warp][g][32 * t + 16 + i] = state.values[i][1];
  }
  if (t == 0) {
    shared->most[warp][g] = state.most;
    shared->sum[warp][g] = state.sum;
  }
}

// Blocks: (chunk, key/value head, context) with kDecodeWarps warps.
template <typename T>
__global__ void PagedDecodeKernel(PagedDecode<T> args) {
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
  const int64_t end =
      first + chunk_pages < pages ? first + chunk_pages : pages;

  uint32_t q[8][2];
  LoadQueries(args, context, kv_head, q);
  const float scale_log2 = args.scale * 1.4426950408889634f;
  const int64_t stride = int64_t{args.kv_heads} * kDecodeDim;
  DecodeState state;
  for (int64_t page = first + threadIdx.x / kWarp; page < end;
       page += kDecodeWarps) {
    const int64_t at = args.PageAt(context, page, kv_head);
    const int64_t left = length - page * kTokens;
    TakePage(args.keys + at, args.values + at, stride,
             static_cast<int>(left < kTokens ? left : kTokens), scale_log2, q,
             &state);
  }
  Share(state, shared);
  __syncthreads();

  const bool whole = chunk_pages >= pages;
  const int group = args.heads / args.kv_heads;
  const int element = threadIdx.x;  // as many threads as elements
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
template <typename T>
__global__ void JoinChunksKernel(PagedDecode<T> args) {
  const int head = blockIdx.x;
  const int64_t context = blockIdx.y;
  constexpr int kTokens = PagedDecodeArgs::kPageTokens;
  const int64_t pages = (args.lengths[context] + kTokens - 1) / kTokens;
  const int64_t chunk_pages = PagedDecodeArgs::ChunkPages(pages);
  const int64_t chunks = (pages + chunk_pages - 1) / chunk_pages;
  if (chunks == 1) return;  // already in place
  float most = -INFINITY;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    most = fmaxf(most, args.Partial(context, head, chunk)[kDecodeDim]);
  }
  float sum = 0.0f;
  float value = 0.0f;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const float* const partial = args.Partial(context, head, chunk);
    const float share = exp2f(partial[kDecodeDim] - most);
    sum += share * partial[kDecodeDim + 1];
    value += share * partial[threadIdx.x];
  }
  args.Out(context, head)[threadIdx.x] = FromFloat<T>(value / sum);
}

inline constexpr int kSimpleElements = kMostHeadDim / kWarp;

// Any type and shape. Blocks: (head, context) of one warp.
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
    const int64_t at =
        args.PageAt(context, token / kTokens, kv_head) + token % kTokens * stride;
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
      values[i] = values[i] * fade + weight * ToFloat(args.values[at + element]);
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

#endif  // COOPER_MODEL_CUDA_PAGED_DECODE_CUH_
