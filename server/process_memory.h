#ifndef COOPER_SERVER_PROCESS_MEMORY_H_
#define COOPER_SERVER_PROCESS_MEMORY_H_

#include <cstdint>

#include "absl/time/time.h"

namespace cooper {

// Bounds the number of the allocator's arenas, each of which keeps free memory
// of its own; MALLOC_ARENA_MAX or GLIBC_TUNABLES in the environment wins. Call
// in main before any thread starts.
void PrepareMemory();

// Resident memory of the process, in bytes; 0: unknown.
int64_t ResidentBytes();

// Decides when the allocator's free memory goes back to the system. Not
// thread-safe; no clock, no I/O.
class MemoryTrimPolicy {
 public:
  // Whether to trim now. `resident_bytes`: of the process. `idle`: no request
  // is open. Call about once a second; after a trim call Trimmed.
  bool ShouldTrim(absl::Time now, int64_t resident_bytes, bool idle);
  void Trimmed(absl::Time now, int64_t resident_bytes);

 private:
  absl::Time idle_since_ = absl::InfiniteFuture();
  absl::Time trimmed_ = absl::InfinitePast();
  int64_t trimmed_bytes_ = 0;  // resident after the last trim
};

// Gives the allocator's free memory back to the system where the policy says
// so. Takes the allocator's locks for up to some 10 ms per GiB.
void TrimMemory(MemoryTrimPolicy* policy, absl::Time now, bool idle);

}  // namespace cooper

#endif  // COOPER_SERVER_PROCESS_MEMORY_H_
