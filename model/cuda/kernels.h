#ifndef COOPER_MODEL_CUDA_KERNELS_H_
#define COOPER_MODEL_CUDA_KERNELS_H_

#include <memory>
#include <string>

#include "model/cuda/arguments.h"
#include "model/cuda/image_arguments.h"

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
