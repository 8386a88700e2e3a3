#ifndef COOPER_TESTS_CUDA_EMULATOR_H_
#define COOPER_TESTS_CUDA_EMULATOR_H_

#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>

// Runs CUDA kernels on the CPU: what model/cuda/device.cuh takes in place of
// nvcc. Each CUDA thread is a fiber, which another follows at barriers and
// shuffles; so sanitizers see every access. Shared memory begins as bytes of
// 0xff, which are no numbers. One block runs after the other, on the calling
// thread.

namespace cooper::cuda::emulator {

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

// Of the CUDA thread that runs.
extern constinit thread_local Index thread_index, block_index, block_size,
    grid_size;

// Runs `body`, a call of a kernel, once for each thread of the grid. Blocks
// have one dimension.
void Launch(unsigned blocks_x, unsigned blocks_y, unsigned blocks_z,
            unsigned threads, size_t shared_bytes,
            const std::function<void()>& body);

void* SharedMemory();
// Waits for the threads of the block, or of the warp, that have not ended.
void SyncBlock();
void SyncWarp();

// Every thread of a warp gives `bytes` (at most kGivenBytes) from `from`, and
// reads what all of them gave, which is valid until the warp next waits.
inline constexpr size_t kGivenBytes = 24;
const unsigned char (*Give(const void* from, size_t bytes))[kGivenBytes];

template <typename T>
T ShuffleXor(T value, int mask) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto* const given = Give(&value, sizeof(T));
  T result;
  std::memcpy(&result, given[(thread_index.x % 32) ^ mask], sizeof(T));
  return result;
}

// See device.cuh.
void MultiplyAdd(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
uint32_t Transposed(uint32_t x);

}  // namespace cooper::cuda::emulator

// CUDA's names.
// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming)
// NOLINTBEGIN(bugprone-macro-parentheses)

#define COOPER_UNROLL
#define COOPER_UNROLL_BY(n)
#define COOPER_LAUNCH_BOUNDS(threads, blocks)
#define __global__
#define __host__
#define __device__
#define __forceinline__ inline
#define threadIdx ::cooper::cuda::emulator::thread_index
#define blockIdx ::cooper::cuda::emulator::block_index
#define blockDim ::cooper::cuda::emulator::block_size
#define gridDim ::cooper::cuda::emulator::grid_size
#define COOPER_SHARED(type, name) \
  type* const name =              \
      static_cast<type*>(::cooper::cuda::emulator::SharedMemory())

struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};

inline void __syncthreads() { cooper::cuda::emulator::SyncBlock(); }
template <typename T>
T __shfl_xor_sync(unsigned /*lanes*/, T value, int mask) {
  return cooper::cuda::emulator::ShuffleXor(value, mask);
}
template <typename T>
T __shfl_sync(unsigned /*lanes*/, T value, int lane) {
  return cooper::cuda::emulator::ShuffleXor(
      value, static_cast<int>(threadIdx.x % 32) ^ lane);
}
template <typename T>
T __shfl_up_sync(unsigned /*lanes*/, T value, int by) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int from = lane >= by ? lane - by : lane;
  return cooper::cuda::emulator::ShuffleXor(value, lane ^ from);
}
template <typename T>
T atomicAdd(T* to, T value) {
  const T before = *to;
  *to += value;
  return before;
}
inline float __uint_as_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
inline uint32_t __float_as_uint(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
// Bytes of {a, b}, which the digits of `selector` number, lowest first.
inline uint32_t __byte_perm(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t bytes = (uint64_t{b} << 32) | a;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    const uint32_t from = (selector >> (4 * i)) & 7;
    result |= static_cast<uint32_t>((bytes >> (8 * from)) & 0xff) << (8 * i);
  }
  return result;
}
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }

// NOLINTEND(bugprone-macro-parentheses)
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)

#endif  // COOPER_TESTS_CUDA_EMULATOR_H_
