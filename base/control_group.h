#ifndef COOPER_BASE_CONTROL_GROUP_H_
#define COOPER_BASE_CONTROL_GROUP_H_

#include <cstdint>
#include <optional>
#include <string>

// What the control groups of this process allow. Both versions are read, as
// containers and nested groups see them: the group of the process and all
// groups above it count, and of several limits the lowest one.

namespace cooper::base {

// Where control groups are found; tests give a folder of their own.
struct ControlGroupPaths {
  std::string root = "/sys/fs/cgroup";     // the mounted tree
  std::string self = "/proc/self/cgroup";  // the groups of this process
};

// A group with a memory limit.
struct GroupMemory {
  int64_t limit_bytes = 0;
  // Charged to the group and the groups below it, without page cache that the
  // kernel drops before the limit is reached.
  int64_t used_bytes = 0;
  friend bool operator==(const GroupMemory&, const GroupMemory&) = default;
};

// The group with the lowest memory limit; nullopt: no limit, or none that can
// be read.
std::optional<GroupMemory> ReadGroupMemory(const ControlGroupPaths& paths = {});

// That limit alone, bytes.
std::optional<int64_t> MemoryLimit(const ControlGroupPaths& paths = {});

// CPU time per time, for example 1.5; nullopt: no limit, or none that can be
// read.
std::optional<double> CpuLimit(const ControlGroupPaths& paths = {});

// Threads that may run at once: the processors of this process's affinity, or
// CpuLimit rounded up where that is less. At least 1.
int UsableCpus(const ControlGroupPaths& paths = {});

}  // namespace cooper::base

#endif  // COOPER_BASE_CONTROL_GROUP_H_
