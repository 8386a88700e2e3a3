#ifndef COOPER_TESTS_MODEL_CHECKPOINT_TEMP_DIRECTORY_H_
#define COOPER_TESTS_MODEL_CHECKPOINT_TEMP_DIRECTORY_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace cooper::testing {

// A fresh directory that goes away with the object.
class TempDirectory {
 public:
  TempDirectory() {
    std::string name = ::testing::TempDir() + "cooper_XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << name;
    path_ = name;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(File(name), std::ios::binary) << bytes;
  }
  // Files are linked to, not copied.
  void Link(const std::string& target, const std::string& name) const {
    std::filesystem::create_symlink(target, File(name));
  }

 private:
  std::string path_;
};

}  // namespace cooper::testing

#endif  // COOPER_TESTS_MODEL_CHECKPOINT_TEMP_DIRECTORY_H_
