#ifndef COOPER_BASE_CONTROL_GROUP_H_
#define COOPER_BASE_CONTROL_GROUP_H_

#include <cstdint>
#include <optional>
#include <string>

namespace cooper::base {

// The memory that the control group of this process may use, bytes; nullopt: no
// limit, or none that can be read. Version 2 and version 1, as containers see
// them. `root`: where control groups are mounted.
std::optional<int64_t> MemoryLimit(const std::string& root = "/sys/fs/cgroup");

}  // namespace cooper::base

#endif  // COOPER_BASE_CONTROL_GROUP_H_
