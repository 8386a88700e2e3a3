#ifndef COOPER_MODEL_TORCH_DEVICE_LAYER_H_
#define COOPER_MODEL_TORCH_DEVICE_LAYER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/cuda/kernels.h"

namespace cooper::torch_model {

struct DeviceMemory {
  int64_t free_bytes = 0;
  int64_t total_bytes = 0;
};

// What libtorch's caching allocator holds of a GPU's memory. `allocated` is in
// tensors, `reserved` includes blocks that are kept for later tensors.
struct AllocatorMemory {
  int64_t allocated_bytes = 0;
  int64_t reserved_bytes = 0;
  // The largest values since ResetPeak.
  int64_t peak_allocated_bytes = 0;
  int64_t peak_reserved_bytes = 0;
};

struct DeviceProperties {
  std::string name;
  int major = 0;  // compute capability
  int minor = 0;
};

// Everything that is asked of the CUDA runtime and of libtorch's allocator,
// apart from running operators. device_cuda.cc talks to a GPU; device_cpu.cc
// stands in for it in builds without CUDA; tests put a fake GPU in place.
//
// Every return code of the runtime becomes a status: INTERNAL where a GPU that
// was usable failed. `index` is the N of "cuda:N". Thread-safe.
class DeviceLayer {
 public:
  virtual ~DeviceLayer() = default;

  // Number of GPUs, at least 1. NOT_FOUND: there is none (no GPU, no driver, or
  // a build without CUDA). FAILED_PRECONDITION: there is one, but its driver
  // cannot be used.
  virtual absl::StatusOr<int> Count() = 0;
  virtual absl::StatusOr<DeviceProperties> Properties(int index) = 0;
  virtual absl::StatusOr<DeviceMemory> Memory(int index) = 0;
  virtual absl::StatusOr<AllocatorMemory> Allocator(int index) = 0;
  virtual absl::Status ResetPeak(int index) = 0;
  // Gives blocks that no tensor uses back to the GPU.
  virtual absl::Status EmptyCache() = 0;

  // Makes the GPU the current one of the calling thread.
  virtual absl::Status MakeCurrent(int index) = 0;
  // Waits until the GPU has done all that was asked of it.
  virtual absl::Status Synchronize(int index) = 0;

  // Whether tensors of "cuda:N" lie in the GPU's memory; a fake keeps them in
  // the host's.
  virtual bool holds_tensors() const { return true; }

  // Our own kernels; null: there are none, and libtorch's operators do.
  virtual const cuda::Launcher* launcher() const { return nullptr; }

  // The one of this build; lives as long as the process.
  static DeviceLayer* OfBuild();
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_DEVICE_LAYER_H_
