#include "absl/status/status.h"
#include "model/torch/device.h"

namespace cooper::torch_model::internal {

int CudaDeviceCount() { return 0; }

std::string CudaAbsence() {
  return "this build has no CUDA (configure with the preset cuda)";
}

absl::StatusOr<DeviceMemory> CudaMemory(int /*index*/) {
  return absl::FailedPreconditionError(CudaAbsence());
}

void CudaSynchronize(int /*index*/) {}

}  // namespace cooper::torch_model::internal
