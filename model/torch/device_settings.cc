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
  // All of them each time: a network before this one may have been
  // deterministic.
  const bool free = !device.deterministic;
  context.setAllowBF16ReductionCuBLAS(free, /*allow_splitk=*/free);
  context.setAllowFP16ReductionCuBLAS(free, /*allow_splitk=*/free);
  context.setDeterministicCuDNN(device.deterministic);
  if (device.device.is_cuda()) {
    // Of cuBLAS's two interfaces the second can be told not to split sums.
    context.setBlasPreferredBackend(free ? at::BlasBackend::Default
                                         : at::BlasBackend::Cublaslt);
  }
}

}  // namespace cooper::torch_model
