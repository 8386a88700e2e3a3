#include "tests/fuzz/fuzz_target.h"

#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "base/check.h"

namespace cooper::fuzz {
namespace {

struct Directory {
  Directory()
      : path(std::filesystem::temp_directory_path() / "cooper_fuzz_XXXXXX") {
    COOPER_CHECK(::mkdtemp(path.data()) != nullptr);
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};

}  // namespace

const std::string& ScratchDirectory() {
  static const Directory directory;
  return directory.path;
}

void WriteFile(const std::string& path, absl::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  COOPER_CHECK(file.flush().good());
}

}  // namespace cooper::fuzz

// The name is libFuzzer's.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cooper::fuzz::FuzzOne(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
