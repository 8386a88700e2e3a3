#include "tests/cuda/emulated_launcher.h"

#include "model/cuda/launchers.cuh"

namespace cooper::cuda {

const Launcher& EmulatedLauncher() {
  static const emulated::KernelLauncher kLauncher;
  return kLauncher;
}

}  // namespace cooper::cuda
