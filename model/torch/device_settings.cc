#include "model/torch/device_settings.h"

#include <ATen/BlasBackend.h>
#include <ATen/Context.h>

namespace cooper::torch_model {

void ApplyDeviceSettings(const Device& device) {
  at::Context& context = at::globalContext();
  context.setSDPUseCuDNN(false);
  if (device.dtype == at::kFloat) {
    context.setAllowTF32CuBLAS(false);
    context.setAllowTF32CuDNN(false);
  }
  if (device.deterministic) {
    // Of cuBLAS's two interfaces the one that can be told not to split sums.
    if (device.device.is_cuda()) {
      context.setBlasPreferredBackend(at::BlasBackend::Cublaslt);
    }
    context.setAllowBF16ReductionCuBLAS(false, /*allow_splitk=*/false);
    context.setAllowFP16ReductionCuBLAS(false, /*allow_splitk=*/false);
    context.setDeterministicCuDNN(true);
  }
}

}  // namespace cooper::torch_model
