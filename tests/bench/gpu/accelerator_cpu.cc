#include <cstdlib>

#include "tests/bench/gpu/accelerator.h"

// No device but the CPU can be selected in this build.

namespace cooper::bench::internal {

double CudaSeconds(int /*index*/, const std::function<void()>& /*work*/) {
  std::abort();
}

NamedFacts CudaFacts(int /*index*/) { std::abort(); }

}  // namespace cooper::bench::internal
