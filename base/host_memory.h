#ifndef COOPER_BASE_HOST_MEMORY_H_
#define COOPER_BASE_HOST_MEMORY_H_

#include <cstdint>
#include <string>

#include "base/control_group.h"

namespace cooper::base {

struct HostMemory {
  // The machine's, or the limit of the control group where that is lower.
  int64_t total_bytes = 0;
  // What the process may still take. Page cache that the kernel can drop counts
  // as free.
  int64_t free_bytes = 0;
};

// Never fails: without /proc all is 0. Reads a few small files. Thread-safe.
HostMemory ReadHostMemory(const ControlGroupPaths& paths = {},
                          const std::string& meminfo = "/proc/meminfo");

}  // namespace cooper::base

#endif  // COOPER_BASE_HOST_MEMORY_H_
