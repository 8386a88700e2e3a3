#include "base/host_memory.h"

#include <algorithm>
#include <fstream>

namespace cooper::base {

HostMemory ReadHostMemory(const ControlGroupPaths& paths,
                          const std::string& meminfo) {
  HostMemory memory;
  std::ifstream file(meminfo);
  std::string key;
  int64_t kib = 0;
  std::string unit;
  while (file >> key >> kib) {
    std::getline(file, unit);
    if (key == "MemTotal:") memory.total_bytes = kib << 10;
    if (key == "MemAvailable:") memory.free_bytes = kib << 10;
  }
  const auto group = ReadGroupMemory(paths);
  if (group.has_value() && group->limit_bytes < memory.total_bytes) {
    memory.total_bytes = group->limit_bytes;
    memory.free_bytes =
        std::min(memory.free_bytes,
                 std::max<int64_t>(group->limit_bytes - group->used_bytes, 0));
  }
  return memory;
}

}  // namespace cooper::base
