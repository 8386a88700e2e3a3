#ifndef COOPER_MODEL_TORCH_DEVICE_H_
#define COOPER_MODEL_TORCH_DEVICE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

// Where the network runs. Everything that only a CUDA build can do stands in
// device_cuda.cc; device_cpu.cc is its twin for other builds. CMake picks one.

namespace cooper::torch_model {

struct Device {
  c10::Device device = c10::Device(c10::kCPU);
  at::ScalarType dtype = at::kFloat;  // of activations and the KV cache

  // Results do not depend on the batch (see LoadOptions::deterministic).
  bool deterministic = false;
  // The generic kernels (what a GPU runs) although fused ones exist.
  bool generic_kernels = false;

  bool is_cpu() const { return device.is_cpu(); }
  // Whether the fused float32 kernels and packed weights for CPUs are used.
  bool fused_cpu() const {
    return is_cpu() && dtype == at::kFloat && !generic_kernels;
  }
  std::string name() const;        // "cpu", "cuda:0"
  std::string dtype_name() const;  // "float32", "bfloat16"
};

struct DeviceMemory {
  int64_t free_bytes = 0;
  int64_t total_bytes = 0;
};

// Resolves the flags --device and --dtype (see load_model.h).
// INVALID_ARGUMENT: not a device or dtype. FAILED_PRECONDITION: this build or
// machine has no such device.
absl::StatusOr<Device> SelectDevice(const std::string& device,
                                    const std::string& dtype);

// Free and total memory: of the card, or of the machine as its control group
// sees it.
absl::StatusOr<DeviceMemory> MemoryOf(const Device& device);

// Waits until the device has done all that was asked of it.
void Synchronize(const Device& device);

namespace internal {
// The twins' part. Number of usable CUDA cards; 0 in a CPU build.
int CudaDeviceCount();
// Why there is none, for messages.
std::string CudaAbsence();
absl::StatusOr<DeviceMemory> CudaMemory(int index);
void CudaSynchronize(int index);
}  // namespace internal

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_DEVICE_H_
