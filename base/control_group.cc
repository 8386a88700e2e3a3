#include "base/control_group.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace cooper::base {
namespace {

// Version 1 says so of a group without a limit: 2^63 in whole pages.
constexpr int64_t kNoLimit = int64_t{1} << 62;

// What the two versions call the same thing.
struct MemoryFiles {
  const char* limit;
  const char* usage;
  absl::string_view cache[2];  // keys of memory.stat: reclaimable page cache
};
constexpr MemoryFiles kMemoryV2 = {
    "memory.max", "memory.current", {"inactive_file", "active_file"}};
constexpr MemoryFiles kMemoryV1 = {
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    {"total_inactive_file", "total_active_file"}};

// The words of a file; none where it cannot be read.
std::vector<std::string> WordsOf(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> words;
  for (std::string word; file >> word;) words.push_back(std::move(word));
  return words;
}

// The number at the start of a file; nullopt: another word, as "max" is.
std::optional<int64_t> ReadNumber(const std::string& path) {
  const std::vector<std::string> words = WordsOf(path);
  int64_t value = 0;
  if (words.empty() || !absl::SimpleAtoi(words[0], &value)) return std::nullopt;
  return value;
}

// The folders of this process's group of `controller` (empty: of version 2) and
// of the groups above it, up to `mount`. In a container without a namespace of
// its own the path of the group is the host's, of which only `mount` exists.
std::vector<std::string> GroupsOf(const ControlGroupPaths& paths,
                                  absl::string_view controller,
                                  const std::string& mount) {
  std::ifstream file(paths.self);
  std::vector<std::string> groups = {mount};
  // A line is "4:cpu,cpuacct:/path", of version 2 "0::/path".
  for (std::string line; std::getline(file, line);) {
    const std::vector<absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<absl::string_view> controllers =
        absl::StrSplit(parts[1], ',');
    if (std::find(controllers.begin(), controllers.end(), controller) ==
        controllers.end()) {
      continue;
    }
    for (const absl::string_view name :
         absl::StrSplit(parts[2], '/', absl::SkipEmpty())) {
      if (name == "..") break;  // outside of the namespace
      groups.push_back(absl::StrCat(groups.back(), "/", name));
    }
    break;
  }
  return groups;
}

int64_t UsedBytes(const std::string& group, const MemoryFiles& files) {
  int64_t used = ReadNumber(absl::StrCat(group, "/", files.usage)).value_or(0);
  const std::vector<std::string> words = WordsOf(group + "/memory.stat");
  for (size_t i = 0; i + 1 < words.size(); i += 2) {
    int64_t bytes = 0;
    if ((words[i] == files.cache[0] || words[i] == files.cache[1]) &&
        absl::SimpleAtoi(words[i + 1], &bytes)) {
      used -= bytes;
    }
  }
  return std::max<int64_t>(used, 0);
}

// The folder of the lowest limit, and the limit.
std::optional<std::pair<std::string, int64_t>> LowestLimit(
    const std::vector<std::string>& groups, const MemoryFiles& files) {
  std::optional<std::pair<std::string, int64_t>> lowest;
  for (const std::string& group : groups) {
    const auto limit = ReadNumber(absl::StrCat(group, "/", files.limit));
    if (limit.has_value() && *limit < kNoLimit &&
        (!lowest.has_value() || *limit < lowest->second)) {
      lowest = {group, *limit};
    }
  }
  return lowest;
}

// Quota and period, us; none where there is no quota.
void AddCpuLimit(absl::string_view quota, absl::string_view period,
                 std::optional<double>* lowest) {
  int64_t quota_us = 0;
  int64_t period_us = 0;
  if (!absl::SimpleAtoi(quota, &quota_us) || quota_us <= 0 ||
      !absl::SimpleAtoi(period, &period_us) || period_us <= 0) {
    return;
  }
  const double cpus =
      static_cast<double>(quota_us) / static_cast<double>(period_us);
  *lowest = std::min(lowest->value_or(cpus), cpus);
}

}  // namespace

std::optional<GroupMemory> ReadGroupMemory(const ControlGroupPaths& paths) {
  const std::string v1 = paths.root + "/memory";
  const std::pair<std::vector<std::string>, const MemoryFiles*> versions[] = {
      {GroupsOf(paths, "", paths.root), &kMemoryV2},
      {GroupsOf(paths, "memory", v1), &kMemoryV1}};
  for (const auto& [groups, files] : versions) {
    if (const auto lowest = LowestLimit(groups, *files)) {
      return GroupMemory{lowest->second, UsedBytes(lowest->first, *files)};
    }
  }
  return std::nullopt;
}

std::optional<int64_t> MemoryLimit(const ControlGroupPaths& paths) {
  const auto memory = ReadGroupMemory(paths);
  if (!memory.has_value()) return std::nullopt;
  return memory->limit_bytes;
}

std::optional<double> CpuLimit(const ControlGroupPaths& paths) {
  std::optional<double> lowest;
  for (const std::string& group : GroupsOf(paths, "", paths.root)) {
    const std::vector<std::string> words = WordsOf(group + "/cpu.max");
    if (words.size() >= 2) AddCpuLimit(words[0], words[1], &lowest);
  }
  for (const std::string& group : GroupsOf(paths, "cpu", paths.root + "/cpu")) {
    const auto quota = WordsOf(group + "/cpu.cfs_quota_us");
    const auto period = WordsOf(group + "/cpu.cfs_period_us");
    if (!quota.empty() && !period.empty()) {
      AddCpuLimit(quota[0], period[0], &lowest);
    }
  }
  return lowest;
}

int UsableCpus(const ControlGroupPaths& paths) {
  cpu_set_t affinity;
  CPU_ZERO(&affinity);
  int cpus = sched_getaffinity(0, sizeof(affinity), &affinity) == 0
                 ? CPU_COUNT(&affinity)
                 // More processors than the set has room for.
                 : static_cast<int>(std::thread::hardware_concurrency());
  if (const auto limit = CpuLimit(paths)) {
    cpus = std::min(cpus, static_cast<int>(std::ceil(
                              std::min(*limit, static_cast<double>(cpus)))));
  }
  return std::max(cpus, 1);
}

}  // namespace cooper::base
