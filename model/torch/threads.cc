#include "model/torch/threads.h"

#include <unistd.h>

#include <cstdlib>

namespace cooper::torch_model {
namespace {

// About ten microseconds: longer than the gap between two operators of a layer.
constexpr char kSpinCount[] = "1000";

}  // namespace

void RestartWithShortSpin(char** argv) {
  // Runs before any thread exists, so the environment may be read and changed.
  // NOLINTBEGIN(concurrency-mt-unsafe)
  if (std::getenv("GOMP_SPINCOUNT") != nullptr ||
      std::getenv("OMP_WAIT_POLICY") != nullptr) {
    return;
  }
  if (setenv("GOMP_SPINCOUNT", kSpinCount, /*overwrite=*/1) != 0) return;
  // NOLINTEND(concurrency-mt-unsafe)
  // On failure the program goes on as it is, only slower.
  execv("/proc/self/exe", argv);
}

}  // namespace cooper::torch_model
