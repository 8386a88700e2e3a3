#include "server/process_memory.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace cooper {
namespace {

// By default there are eight for each core.
constexpr int kArenas = 8;

// Trimming costs the next requests page faults, so short pauses do not count,
// nor does little memory.
constexpr absl::Duration kIdle = absl::Seconds(3);
constexpr int64_t kIdleGrowth = int64_t{32} << 20;
// Under load, after a peak.
constexpr absl::Duration kInterval = absl::Seconds(30);
constexpr int64_t kGrowth = int64_t{512} << 20;

}  // namespace

void PrepareMemory() {
  // Before any thread exists the environment may be read.
  // NOLINTBEGIN(concurrency-mt-unsafe)
  if (std::getenv("MALLOC_ARENA_MAX") != nullptr ||
      std::getenv("GLIBC_TUNABLES") != nullptr) {
    return;
  }
  // NOLINTEND(concurrency-mt-unsafe)
  mallopt(M_ARENA_MAX, kArenas);
}

int64_t ResidentBytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  long long size = 0;
  long long resident = 0;
  const int fields = std::fscanf(file, "%lld %lld", &size, &resident);
  std::fclose(file);
  return fields == 2 ? resident * sysconf(_SC_PAGESIZE) : 0;
}

bool MemoryTrimPolicy::ShouldTrim(absl::Time now, int64_t resident_bytes,
                                  bool idle) {
  idle_since_ = idle ? std::min(idle_since_, now) : absl::InfiniteFuture();
  // What is resident may also shrink without a trim.
  trimmed_bytes_ = std::min(trimmed_bytes_, resident_bytes);
  const int64_t growth = resident_bytes - trimmed_bytes_;
  if (now - idle_since_ >= kIdle && growth > kIdleGrowth) return true;
  return now - trimmed_ >= kInterval && growth > kGrowth;
}

void MemoryTrimPolicy::Trimmed(absl::Time now, int64_t resident_bytes) {
  trimmed_ = now;
  trimmed_bytes_ = resident_bytes;
}

void TrimMemory(MemoryTrimPolicy* policy, absl::Time now, bool idle) {
  if (!policy->ShouldTrim(now, ResidentBytes(), idle)) return;
  malloc_trim(0);
  policy->Trimmed(now, ResidentBytes());
}

}  // namespace cooper
