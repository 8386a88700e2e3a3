#ifndef COOPER_MODEL_CUDA_KERNELS_H_
#define COOPER_MODEL_CUDA_KERNELS_H_

#include <cstdint>
#include <memory>
#include <string>

// What a transformer layer does between its matrix products, as kernels of our
// own for a GPU. Plain C++ over pointers: no libtorch, no CUDA header.
//
// Contract of every function: it allocates nothing, waits for nothing and
// throws nothing, so a CUDA graph can capture it. Pointers are device memory;
// tensors are dense, of `type` unless a comment says otherwise, and aligned to
// 16 bytes. Outputs are written whole. A row's result does not depend on the
// rows beside it. Nothing to do (zero rows) is no error. The return value is a
// cudaError_t: 0 is success.
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

// An image whose channels lie together: out = x + bias, then + residual, each
// rounded.
struct AddBiasArgs {
  Type type = Type::kFloat32;
  const void* x = nullptr;         // [pixels, channels]
  const void* bias = nullptr;      // [channels]
  const void* residual = nullptr;  // [pixels, channels], or null
  void* out = nullptr;             // [pixels, channels]; may be x or residual
  int64_t pixels = 0;
  int channels = 0;  // a multiple of kWidthMultiple
};

// Group norm of an image whose channels lie together, then silu if asked for;
// moments in float32, rounded after the norm and after silu.
struct GroupNormArgs {
  Type type = Type::kFloat32;
  const void* x = nullptr;       // [pixels, channels]
  const void* x_bias = nullptr;  // [channels], added to x and rounded; or null
  const void* weight = nullptr;  // [channels]
  const void* bias = nullptr;
  void* out = nullptr;       // [pixels, channels]; may be x
  float* partial = nullptr;  // PartialFloats() floats
  int64_t pixels = 0;
  int channels = 0;  // a power of two, from kWidthMultiple to 1024
  int groups = 0;    // a power of two, at most channels
  bool silu = false;
  float eps = 0.0f;

  // Parts that the image is cut into, at most.
  int64_t chunks() const {
    constexpr int64_t kLeastPixels = 64;
    constexpr int64_t kMostChunks = 512;
    const int64_t parts = (pixels + kLeastPixels - 1) / kLeastPixels;
    return parts < kMostChunks ? parts : kMostChunks;
  }
  int64_t PartialFloats() const { return (chunks() + 1) * groups * 2; }
};

// A CUDA stream (cudaStream_t); null: the default stream.
struct Stream {
  void* handle = nullptr;
};

class LongAttention;  // long_attention.h

// The kernels on a GPU, or something that computes the same for tests.
// Thread-safe.
class Launcher {
 public:
  virtual ~Launcher() = default;

  virtual int AddNorm(const AddNormArgs& args, Stream stream) const = 0;
  virtual int NormRope(const NormRopeArgs& args, Stream stream) const = 0;
  virtual int SiluMul(const SiluMulArgs& args, Stream stream) const = 0;
  virtual int WriteCache(const WriteCacheArgs& args, Stream stream) const = 0;
  virtual int PagedDecode(const PagedDecodeArgs& args, Stream stream) const = 0;
  virtual int GroupNorm(const GroupNormArgs& args, Stream stream) const = 0;
  virtual int AddBias(const AddBiasArgs& args, Stream stream) const = 0;
  virtual int Sample(const SampleArgs& args, Stream stream) const = 0;

  // A library's attention for long rows; null and `*error`: there is none.
  virtual std::unique_ptr<LongAttention> MakeLongAttention(
      std::string* error) const;
};

// The kernels on the GPU that is current; lives as long as the process.
const Launcher& GpuLauncher();

}  // namespace cooper::cuda

#endif  // COOPER_MODEL_CUDA_KERNELS_H_
