#include "base/control_group.h"

#include <fstream>

#include "absl/strings/numbers.h"

namespace cooper::base {
namespace {

// Version 1 says so of a group without a limit: 2^63 in whole pages.
constexpr int64_t kNoLimit = int64_t{1} << 62;

std::optional<int64_t> ReadLimit(const std::string& path) {
  std::ifstream file(path);
  std::string word;  // "max": no limit
  int64_t value = 0;
  if (!(file >> word) || !absl::SimpleAtoi(word, &value) || value >= kNoLimit) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<int64_t> MemoryLimit(const std::string& root) {
  if (const auto limit = ReadLimit(root + "/memory.max")) return limit;
  return ReadLimit(root + "/memory/memory.limit_in_bytes");
}

}  // namespace cooper::base
