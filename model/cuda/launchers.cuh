#ifndef COOPER_MODEL_CUDA_LAUNCHERS_CUH_
#define COOPER_MODEL_CUDA_LAUNCHERS_CUH_

#include "model/cuda/elementwise.cuh"
#include "model/cuda/group_norm.cuh"
#include "model/cuda/kernels.h"
#include "model/cuda/norm.cuh"
#include "model/cuda/paged_decode.cuh"
#include "model/cuda/rope.cuh"
#include "model/cuda/sample.cuh"
#include "model/cuda/simple_decode.cuh"

// Launcher over the kernels: how many blocks and threads each takes. With nvcc
// for a GPU, with another compiler for the emulator of tests/cuda.

namespace cooper::cuda::COOPER_CUDA_TARGET {

struct Grid {
  int64_t x = 1, y = 1, z = 1;
};

template <typename... Parameters, typename... Arguments>
int Launch(void (*kernel)(Parameters...), const Grid& grid, int threads,
           int64_t shared_bytes, [[maybe_unused]] Stream stream,
           Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return 0;
#ifdef __CUDACC__
  const dim3 blocks(static_cast<unsigned>(grid.x),
                    static_cast<unsigned>(grid.y),
                    static_cast<unsigned>(grid.z));
  kernel<<<blocks, threads, static_cast<size_t>(shared_bytes),
           static_cast<cudaStream_t>(stream.handle)>>>(arguments...);
  return static_cast<int>(cudaGetLastError());
#else
  emulator::Launch(
      static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y),
      static_cast<unsigned>(grid.z), static_cast<unsigned>(threads),
      static_cast<size_t>(shared_bytes), [&] { kernel(arguments...); });
  return 0;
#endif
}

inline constexpr int kThreads = 256;  // where nothing else decides

inline int64_t BlocksOf(int64_t items, int64_t a_block) {
  return (items + a_block - 1) / a_block;
}

// Threads of a block for `vectors`, up to `each` of which a thread takes: whole
// warps, twice as many until they are enough.
inline int ThreadsFor(int64_t vectors, int64_t each) {
  int threads = kWarp;
  while (threads < 1024 && threads * each < vectors) threads *= 2;
  return threads;
}

template <typename T>
int RunAddNorm(const AddNormArgs& a, Stream stream) {
  const int threads = ThreadsFor(a.width / Vector<T>::kSize, kNormVectors / 2);
  return Launch(AddNormKernel<T>, {a.rows}, threads,
                threads / kWarp * int64_t{sizeof(float)}, stream,
                static_cast<T*>(a.x), static_cast<const T*>(a.delta),
                static_cast<const T*>(a.weight), static_cast<T*>(a.out),
                static_cast<int>(a.width), a.eps);
}

template <typename T>
int RunNormRope(const NormRopeArgs& a, Stream stream) {
  const int64_t blocks =
      BlocksOf(a.rows * (a.heads + a.kv_heads), kThreads / kWarp);
  return Launch(NormRopeKernel<T>, {blocks}, kThreads, 0, stream,
                static_cast<T*>(a.qkv), static_cast<const T*>(a.q_norm),
                static_cast<const T*>(a.k_norm), a.cos, a.sin, a.wide,
                a.all_wide, a.rows, a.heads, a.kv_heads, a.dim, a.eps);
}

template <typename T>
int RunSiluMul(const SiluMulArgs& a, Stream stream) {
  const int64_t items = a.rows * (a.width / Vector<T>::kSize);
  return Launch(SiluMulKernel<T>, {BlocksOf(items, kThreads)}, kThreads, 0,
                stream, static_cast<const T*>(a.gate_up),
                static_cast<T*>(a.out), a.rows, a.width);
}

template <typename T>
int RunWriteCache(const WriteCacheArgs& a, Stream stream) {
  const int64_t width = int64_t{a.kv_heads} * a.dim;
  const int64_t items = a.count * 2 * (width / Vector<T>::kSize);
  return Launch(WriteCacheKernel<T>, {BlocksOf(items, kThreads)}, kThreads, 0,
                stream, static_cast<const T*>(a.qkv), a.rows, a.slots,
                static_cast<T*>(a.keys), static_cast<T*>(a.values), a.count,
                int64_t{a.heads} * a.dim, width);
}

template <typename T>
PagedDecode<T> TensorsOf(const PagedDecodeArgs& a) {
  return {static_cast<const T*>(a.qkv),
          a.rows,
          a.pages,
          a.lengths,
          static_cast<const T*>(a.keys),
          static_cast<const T*>(a.values),
          static_cast<T*>(a.out),
          a.partial,
          a.most_pages,
          a.most_chunks(),
          a.heads,
          a.kv_heads,
          a.dim,
          a.scale};
}

template <typename T>
int RunSimpleDecode(const PagedDecodeArgs& a, Stream stream) {
  return Launch(SimpleDecodeKernel<T>, {a.heads, a.contexts}, kWarp, 0, stream,
                TensorsOf<T>(a));
}

inline int RunTensorCoreDecode(const PagedDecodeArgs& a, Stream stream) {
  const auto tensors = TensorsOf<BFloat16>(a);
  const int error = Launch(
      PagedDecodeKernel<BFloat16>, {a.most_chunks(), a.kv_heads, a.contexts},
      kDecodeWarps * kWarp, sizeof(DecodeShared), stream, tensors);
  if (error != 0 || a.most_chunks() == 1) return error;
  return Launch(JoinChunksKernel<BFloat16>, {a.heads, a.contexts}, kDecodeDim,
                PagedDecodeArgs::kMostChunks * int64_t{sizeof(float)}, stream,
                tensors);
}

template <typename T>
int RunGroupNorm(const GroupNormArgs& a, Stream stream) {
  if (a.pixels == 0) return 0;
  const int64_t chunk = BlocksOf(a.pixels, a.chunks());
  const int64_t chunks = BlocksOf(a.pixels, chunk);
  const int64_t shared = kGroupNormThreads * int64_t{sizeof(ChannelSums<T>)} +
                         a.channels * int64_t{sizeof(Moments)};
  const auto* const x = static_cast<const T*>(a.x);
  const auto* const x_bias = static_cast<const T*>(a.x_bias);
  int error =
      Launch(ChunkMomentsKernel<T>, {chunks}, kGroupNormThreads, shared, stream,
             x, x_bias, a.partial, a.pixels, chunk, a.channels, a.groups);
  if (error != 0) return error;
  error = Launch(JoinMomentsKernel<T>, {a.groups}, kWarp, 0, stream, a.partial,
                 chunks, a.pixels, chunk, a.channels, a.groups, a.eps);
  if (error != 0) return error;
  const int64_t vectors = a.pixels * a.channels / Vector<T>::kSize;
  return Launch(ApplyGroupNormKernel<T>, {BlocksOf(vectors, kThreads)},
                kThreads, 0, stream, x, x_bias, static_cast<const T*>(a.weight),
                static_cast<const T*>(a.bias),
                a.partial + chunks * a.groups * 2, static_cast<T*>(a.out),
                a.pixels, a.channels, a.groups, a.silu);
}

template <typename T>
int RunAddBias(const AddBiasArgs& a, Stream stream) {
  const int64_t vectors = a.pixels * a.channels / Vector<T>::kSize;
  return Launch(AddBiasKernel<T>, {BlocksOf(vectors, kThreads)}, kThreads, 0,
                stream, static_cast<const T*>(a.x),
                static_cast<const T*>(a.bias),
                static_cast<const T*>(a.residual), static_cast<T*>(a.out),
                a.pixels, a.channels);
}

inline int RunSample(const SampleArgs& a, Stream stream) {
  return Launch(SampleKernel<float>, {a.count}, kSampleThreads,
                sizeof(SampleShared), stream, a.logits, a.stride,
                static_cast<int>(a.vocabulary), a.rows, a.weights, a.tokens);
}

// Calls a Run function of the right type.
#define COOPER_OF_TYPE(Run, args, stream)                           \
  ((args).type == Type::kBFloat16 ? Run<BFloat16>((args), (stream)) \
                                  : Run<float>((args), (stream)))

class KernelLauncher : public Launcher {
 public:
  int AddNorm(const AddNormArgs& args, Stream stream) const override {
    return COOPER_OF_TYPE(RunAddNorm, args, stream);
  }
  int NormRope(const NormRopeArgs& args, Stream stream) const override {
    return COOPER_OF_TYPE(RunNormRope, args, stream);
  }
  int SiluMul(const SiluMulArgs& args, Stream stream) const override {
    return COOPER_OF_TYPE(RunSiluMul, args, stream);
  }
  int WriteCache(const WriteCacheArgs& args, Stream stream) const override {
    return COOPER_OF_TYPE(RunWriteCache, args, stream);
  }
  int PagedDecode(const PagedDecodeArgs& args, Stream stream) const override {
    if (args.suits_tensor_cores()) return RunTensorCoreDecode(args, stream);
    return COOPER_OF_TYPE(RunSimpleDecode, args, stream);
  }
  int GroupNorm(const GroupNormArgs& args, Stream stream) const override {
    return COOPER_OF_TYPE(RunGroupNorm, args, stream);
  }
  int AddBias(const AddBiasArgs& args, Stream stream) const override {
    return COOPER_OF_TYPE(RunAddBias, args, stream);
  }
  int Sample(const SampleArgs& args, Stream stream) const override {
    return RunSample(args, stream);
  }
};
#undef COOPER_OF_TYPE

}  // namespace cooper::cuda::COOPER_CUDA_TARGET

#endif  // COOPER_MODEL_CUDA_LAUNCHERS_CUH_
