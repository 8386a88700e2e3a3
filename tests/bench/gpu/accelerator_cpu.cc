#include <cstdlib>

#include "tests/bench/gpu/accelerator.h"

// No device but the CPU can be selected in this build.

namespace cooper::bench::internal {

double CudaSeconds(int /*index*/, const std::function<void()>& /*work*/) {
  std::abort();
}

MemoryUse CudaMemoryUse(int /*index*/) { std::abort(); }

void CudaResetPeak(int /*index*/) { std::abort(); }

void CudaEmptyCache() { std::abort(); }

std::vector<std::pair<std::string, std::string>> CudaFacts(int /*index*/) {
  std::abort();
}

}  // namespace cooper::bench::internal
