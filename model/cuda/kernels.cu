#include "model/cuda/kernels.h"

#include "model/cuda/launchers.cuh"

namespace cooper::cuda {

const Launcher& GpuLauncher() {
  static const gpu::KernelLauncher kLauncher;
  return kLauncher;
}

}  // namespace cooper::cuda
