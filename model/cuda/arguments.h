#ifndef COOPER_MODEL_CUDA_ARGUMENTS_H_
#define COOPER_MODEL_CUDA_ARGUMENTS_H_

#include <cstdint>

// Arguments of the kernels (kernels.h).

namespace cooper::cuda {

enum class Type { kFloat32, kBFloat16 };

// Multiples that the widths of all functions must have, and their limits.
inline constexpr int64_t kWidthMultiple = 8;
inline constexpr int64_t kMostNormWidth = 16384;
inline constexpr int kHeadMultiple = 4;
inline constexpr int kMostHeadDim = 512;

// out = rmsnorm(x) * weight: the norm in float32, then rounded, then times the
// weight. With `delta`, x += delta (rounded) comes first.
struct AddNormArgs {
  Type type = Type::kFloat32;
  void* x = nullptr;             // [rows, width]
  const void* delta = nullptr;   // [rows, width], or null
  const void* weight = nullptr;  // [width]
  void* out = nullptr;           // [rows, width]; not x
  int64_t rows = 0;
  int64_t width = 0;  // a multiple of kWidthMultiple, at most kMostNormWidth
  float eps = 0.0f;
};

// In place: norms of the query and key heads, then rope. A row is wide
// (float32 throughout) or narrow (rounded after each operation).
struct NormRopeArgs {
  Type type = Type::kFloat32;
  void* qkv = nullptr;           // [rows, (heads + 2 * kv_heads) * dim]
  const void* q_norm = nullptr;  // [dim], or null: no norm
  const void* k_norm = nullptr;
  const float* cos = nullptr;  // [rows, dim / 2], rounded to `type`
  const float* sin = nullptr;
  const bool* wide = nullptr;  // [rows]; null: `all_wide` holds for all
  bool all_wide = false;
  int64_t rows = 0;
  int heads = 0;
  int kv_heads = 0;
  int dim = 0;  // a multiple of kHeadMultiple, at most kMostHeadDim
  float eps = 0.0f;
};

// out = silu(first half) * second half, rounded after each.
struct SiluMulArgs {
  Type type = Type::kFloat32;
  const void* gate_up = nullptr;  // [rows, 2 * width]
  void* out = nullptr;            // [rows, width]
  int64_t rows = 0;
  int64_t width = 0;  // a multiple of kWidthMultiple
};

// Copies keys and values of rows into slots of the cache. heads * dim and
// kv_heads * dim are multiples of kWidthMultiple.
struct WriteCacheArgs {
  Type type = Type::kFloat32;
  const void* qkv = nullptr;       // [.., (heads + 2 * kv_heads) * dim]
  const int64_t* rows = nullptr;   // [count] rows of qkv; null: 0, 1, 2, ...
  const int64_t* slots = nullptr;  // [count]
  void* keys = nullptr;            // [.., kv_heads, dim] of one layer
  void* values = nullptr;
  int64_t count = 0;
  int heads = 0;
  int kv_heads = 0;
  int dim = 0;
};

// Attention of single tokens, one of each context, over its pages.
struct PagedDecodeArgs {
  static constexpr int kPageTokens = 64;
  static constexpr int kMostChunks = 64;

  Type type = Type::kFloat32;
  const void* qkv = nullptr;         // [.., (heads + 2 * kv_heads) * dim]
  const int64_t* rows = nullptr;     // [contexts] the row of each
  const int64_t* pages = nullptr;    // [contexts, most_pages]
  const int64_t* lengths = nullptr;  // [contexts] tokens, > 0
  const void* keys = nullptr;        // [pages * kPageTokens, kv_heads, dim]
  const void* values = nullptr;
  void* out = nullptr;  // [.., heads * dim]; rows as in qkv
  // PartialFloats() floats; what they hold before and after is of no meaning.
  float* partial = nullptr;
  int64_t contexts = 0;
  int64_t most_pages = 0;
  int heads = 0;
  int kv_heads = 0;
  int dim = 0;
  float scale = 0.0f;  // of the products of queries and keys

  // Whether the kernel for tensor cores takes it; a simple one does otherwise.
  bool suits_tensor_cores() const {
    return type == Type::kBFloat16 && dim == 128 && heads % kv_heads == 0 &&
           heads / kv_heads <= 8;
  }
  // Pages in each part that the keys of a context of `pages` are cut into: it
  // follows from the length of the context alone.
  static constexpr int64_t ChunkPages(int64_t pages) {
    constexpr int64_t kLeast = 4;
    const int64_t times =
        (pages + kLeast * kMostChunks - 1) / (kLeast * kMostChunks);
    return kLeast * (times > 1 ? times : 1);
  }
  // Parts of the longest context.
  int64_t most_chunks() const {
    const int64_t a_chunk = ChunkPages(most_pages);
    return (most_pages + a_chunk - 1) / a_chunk;
  }
  int64_t PartialFloats() const {
    return suits_tensor_cores() ? contexts * heads * most_chunks() * (dim + 2)
                                : 0;
  }
};

// How a row's token is chosen.
struct SampleRow {
  double temperature = 0.0;  // 0: the first of the largest logits
  // Only the most probable tokens, up to and including the one with which their
  // probability exceeds this; 1: all.
  double top_p = 1.0;
  double uniform = 0.0;  // in [0, 1), drawn by the caller
};

// The next token of each row of logits. Sampled tokens are those of softmax(
// logits / temperature); with top_p < 1 the sum that passes `uniform` goes from
// the most probable token down, else by rising token.
struct SampleArgs {
  static constexpr int32_t kNotFinite = -1;

  const float* logits = nullptr;    // rows of `vocabulary`, `stride` apart
  const SampleRow* rows = nullptr;  // [count], device memory
  // [count, vocabulary]; what it holds before and after is of no meaning. May
  // be null where no row is sampled.
  unsigned long long* weights = nullptr;
  int32_t* tokens = nullptr;  // [count]; kNotFinite: a logit is not finite
  int64_t count = 0;
  int64_t stride = 0;
  int64_t vocabulary = 0;
};

}  // namespace cooper::cuda

#endif  // COOPER_MODEL_CUDA_ARGUMENTS_H_
