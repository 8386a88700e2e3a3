#ifndef COOPER_TESTS_CUDA_EMULATED_LAUNCHER_H_
#define COOPER_TESTS_CUDA_EMULATED_LAUNCHER_H_

#include "model/cuda/kernels.h"

namespace cooper::cuda {

// The kernels under the emulator: pointers are to the host's memory. Lives as
// long as the process.
const Launcher& EmulatedLauncher();

}  // namespace cooper::cuda

#endif  // COOPER_TESTS_CUDA_EMULATED_LAUNCHER_H_
