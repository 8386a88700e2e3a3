#include "model/torch/process.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdlib>

namespace cooper::torch_model {
namespace {

// About ten microseconds: longer than the gap between two operators of a layer.
constexpr char kSpinCount[] = "1000";
// Blocks from here on are the system's.
constexpr int kOwnPages = 1 << 30;
// What stays at the heap's end.
constexpr int kKept = 256 << 20;

// Before any thread exists the environment may be read and changed.
// NOLINTBEGIN(concurrency-mt-unsafe)
bool IsSet(const char* name) { return std::getenv(name) != nullptr; }

void RestartWithShortSpin(char** argv) {
  if (IsSet("GOMP_SPINCOUNT") || IsSet("OMP_WAIT_POLICY")) return;
  if (setenv("GOMP_SPINCOUNT", kSpinCount, /*overwrite=*/1) != 0) return;
  // On failure the program goes on as it is, only slower.
  execv("/proc/self/exe", argv);
}

void KeepHeap() {
  if (IsSet("MALLOC_TRIM_THRESHOLD_") || IsSet("MALLOC_MMAP_THRESHOLD_") ||
      IsSet("GLIBC_TUNABLES")) {
    return;
  }
  mallopt(M_MMAP_THRESHOLD, kOwnPages);
  mallopt(M_TRIM_THRESHOLD, kKept);
}
// NOLINTEND(concurrency-mt-unsafe)

}  // namespace

void PrepareProcess(char** argv) {
  RestartWithShortSpin(argv);
  KeepHeap();
}

}  // namespace cooper::torch_model
