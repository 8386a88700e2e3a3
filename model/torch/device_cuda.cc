#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/torch/device.h"

namespace cooper::torch_model::internal {

int CudaDeviceCount() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

std::string CudaAbsence() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess) return "there is no CUDA card";
  return absl::StrCat("no usable CUDA card: ", cudaGetErrorString(error));
}

absl::StatusOr<DeviceMemory> CudaMemory(int index) {
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  cudaError_t error = cudaSetDevice(index);
  if (error == cudaSuccess) error = cudaMemGetInfo(&free_bytes, &total_bytes);
  if (error != cudaSuccess) {
    return absl::InternalError(cudaGetErrorString(error));
  }
  return DeviceMemory{static_cast<int64_t>(free_bytes),
                      static_cast<int64_t>(total_bytes)};
}

void CudaSynchronize(int index) {
  cudaSetDevice(index);
  cudaDeviceSynchronize();
}

}  // namespace cooper::torch_model::internal
