#ifndef COOPER_MODEL_TORCH_DEVICE_H_
#define COOPER_MODEL_TORCH_DEVICE_H_

#include <ATen/core/Tensor.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/cuda/kernels.h"
#include "model/torch/device_layer.h"

namespace cooper::torch_model {

// Where the network runs.
struct Device {
  // Where its tensors lie: the CPU also where the layer is a fake.
  c10::Device device = c10::Device(c10::kCPU);
  at::ScalarType dtype = at::kFloat;  // of activations and the KV cache

  // The GPU's number, and the layer that it is asked through; below 0: a CPU.
  int gpu = -1;
  DeviceLayer* layer = nullptr;

  // Results do not depend on the batch (see LoadOptions::deterministic).
  bool deterministic = false;
  // The generic kernels although fused ones exist.
  bool generic_kernels = false;
  // Our own kernels for a GPU; null: the generic ones.
  const cuda::Launcher* launcher = nullptr;

  bool is_cpu() const { return gpu < 0; }
  // Whether the fused float32 kernels and packed weights for CPUs are used.
  bool fused_cpu() const {
    return is_cpu() && dtype == at::kFloat && !generic_kernels &&
           launcher == nullptr;
  }
  std::string name() const;        // "cpu", "cuda:0"
  std::string dtype_name() const;  // "float32", "bfloat16"
};

// Whether SelectDevice knows the name: "auto", "cpu", "cuda" (the first GPU) or
// "cuda:N". INVALID_ARGUMENT if not.
absl::Status CheckDeviceName(const std::string& device);

// Resolves the flags --device and --dtype (see load_model.h).
// INVALID_ARGUMENT: not a device or dtype. FAILED_PRECONDITION, marked as
// model::DeviceUnusable: this build or machine has no such device, or it cannot
// compute in the dtype.
absl::StatusOr<Device> SelectDevice(
    const std::string& device, const std::string& dtype,
    DeviceLayer* layer = DeviceLayer::OfBuild());

// Free and total memory: of the GPU, or of the machine as its control group
// sees it.
absl::StatusOr<DeviceMemory> MemoryOf(const Device& device);

// Waits until the device has done all that was asked of it. INTERNAL: it
// failed at some of that, and cannot be used any more.
absl::Status Synchronize(const Device& device);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_DEVICE_H_
