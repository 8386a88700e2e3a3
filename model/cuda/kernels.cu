#include "model/cuda/kernels.h"
#include "model/cuda/launchers.cuh"
#include "model/cuda/long_attention.h"

namespace cooper::cuda {
namespace {

class CudaLauncher final : public gpu::KernelLauncher {
 public:
  std::unique_ptr<LongAttention> MakeLongAttention(
      std::string* error) const override {
    return MakeCudnnAttention(error);
  }
};

}  // namespace

const Launcher& GpuLauncher() {
  static const CudaLauncher kLauncher;
  return kLauncher;
}

}  // namespace cooper::cuda
