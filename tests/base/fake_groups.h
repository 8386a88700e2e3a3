#ifndef COOPER_TESTS_BASE_FAKE_GROUPS_H_
#define COOPER_TESTS_BASE_FAKE_GROUPS_H_

#include <filesystem>
#include <string>

#include "base/control_group.h"
#include "tests/model/checkpoint/temp_directory.h"

namespace cooper::testing {

// A tree of control groups in a temporary folder.
class FakeGroups {
 public:
  // `self`: the lines of /proc/self/cgroup.
  explicit FakeGroups(const std::string& self) {
    directory_.Write("self", self);
  }

  // `path` is relative to the root of the tree.
  void Write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file(directory_.File("root/" + path));
    std::filesystem::create_directories(file.parent_path());
    directory_.Write("root/" + path, text);
  }

  base::ControlGroupPaths paths() const {
    return {directory_.File("root"), directory_.File("self")};
  }

 private:
  const TempDirectory directory_;
};

}  // namespace cooper::testing

#endif  // COOPER_TESTS_BASE_FAKE_GROUPS_H_
