// The device layer on the CUDA runtime and libtorch's caching allocator.
#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>

#include <filesystem>
#include <functional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/cuda/kernels.h"
#include "model/torch/device_layer.h"

namespace cooper::torch_model {
namespace {

std::string TextOf(cudaError_t error) {
  return absl::StrCat(cudaGetErrorString(error), " (", cudaGetErrorName(error),
                      ")");
}

absl::Status StatusOf(cudaError_t error, int index, const char* call) {
  if (error == cudaSuccess) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("cuda:", index, ": ", call, ": ", TextOf(error)));
}

// The runtime reports an absent driver as one that is too old.
bool DriverIsAbsent() {
  int version = 0;
  std::error_code ignored;
  return cudaDriverGetVersion(&version) == cudaSuccess && version == 0 &&
         !std::filesystem::exists("/dev/nvidiactl", ignored);
}

// libtorch's functions throw where the runtime's return a code.
absl::Status Caught(const char* call, const std::function<void()>& work) {
  try {
    work();
    return absl::OkStatus();
  } catch (const c10::Error& error) {
    return absl::InternalError(
        absl::StrCat(call, ": ", error.what_without_backtrace()));
  }
}

namespace allocator = c10::cuda::CUDACachingAllocator;

class CudaLayer final : public DeviceLayer {
 public:
  absl::StatusOr<int> Count() override {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
      return absl::NotFoundError("there is no GPU");
    }
    if (error == cudaErrorInsufficientDriver && DriverIsAbsent()) {
      return absl::NotFoundError("there is no GPU driver");
    }
    if (error != cudaSuccess) {
      return absl::FailedPreconditionError(
          absl::StrCat("the GPU driver cannot be used: ", TextOf(error)));
    }
    return count;
  }

  absl::StatusOr<DeviceProperties> Properties(int index) override {
    cudaDeviceProp properties;
    COOPER_RETURN_IF_ERROR(StatusOf(cudaGetDeviceProperties(&properties, index),
                                    index, "cudaGetDeviceProperties"));
    return DeviceProperties{properties.name, properties.major,
                            properties.minor};
  }

  absl::StatusOr<DeviceMemory> Memory(int index) override {
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    COOPER_RETURN_IF_ERROR(MakeCurrent(index));
    COOPER_RETURN_IF_ERROR(StatusOf(cudaMemGetInfo(&free_bytes, &total_bytes),
                                    index, "cudaMemGetInfo"));
    return DeviceMemory{static_cast<int64_t>(free_bytes),
                        static_cast<int64_t>(total_bytes)};
  }

  absl::StatusOr<AllocatorMemory> Allocator(int index) override {
    AllocatorMemory memory;
    COOPER_RETURN_IF_ERROR(Caught("allocator statistics", [&] {
      at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
      const auto stats =
          allocator::getDeviceStats(static_cast<c10::DeviceIndex>(index));
      constexpr auto kAll =
          static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
      memory = {stats.allocated_bytes[kAll].current,
                stats.reserved_bytes[kAll].current,
                stats.allocated_bytes[kAll].peak,
                stats.reserved_bytes[kAll].peak};
    }));
    return memory;
  }

  absl::Status ResetPeak(int index) override {
    return Caught("allocator statistics", [&] {
      at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
      allocator::resetPeakStats(static_cast<c10::DeviceIndex>(index));
    });
  }

  absl::Status EmptyCache() override {
    return Caught("emptyCache", [] { allocator::emptyCache(); });
  }

  // By libtorch's function, which also keeps its own note of the device.
  absl::Status MakeCurrent(int index) override {
    return StatusOf(c10::cuda::SetDevice(static_cast<c10::DeviceIndex>(index)),
                    index, "cudaSetDevice");
  }

  const cuda::Launcher* launcher() const override {
    return &cuda::GpuLauncher();
  }

  absl::Status Synchronize(int index) override {
    COOPER_RETURN_IF_ERROR(MakeCurrent(index));
    return StatusOf(cudaDeviceSynchronize(), index, "cudaDeviceSynchronize");
  }
};

}  // namespace

DeviceLayer* DeviceLayer::OfBuild() {
  static CudaLayer* const kLayer = new CudaLayer;
  return kLayer;
}

}  // namespace cooper::torch_model
