#include "tests/model/checkpoint/weights_fixture.h"

#include <algorithm>
#include <filesystem>
#include <memory>

#include "tests/testing/status_matchers.h"
#include "tests/tools/safetensors_writer.h"

namespace cooper::testing {

namespace fs = std::filesystem;
using checkpoint::DType;
using checkpoint::SafetensorsFile;
using checkpoint::SafetensorsWriter;

void CopyWeights(const std::string& from, const std::string& to,
                 const Rename& rename,
                 const std::vector<SafetensorsWriter::Entry>& more) {
  ASSERT_OK_AND_ASSIGN(const auto file, SafetensorsFile::Open(from));
  std::vector<SafetensorsWriter::Entry> entries;
  std::string data;
  for (const auto& [name, tensor] : file->tensors()) {
    const std::string renamed = rename(name);
    if (renamed.empty()) continue;
    entries.push_back({renamed, tensor.dtype, tensor.shape});
    std::string bytes(tensor.bytes, '\0');
    ASSERT_OK(file->Read(tensor, bytes.data()));
    data += bytes;
  }
  for (const SafetensorsWriter::Entry& entry : more) {
    entries.push_back(entry);
    int64_t bytes = checkpoint::DTypeBytes(entry.dtype);
    for (const int64_t size : entry.shape) bytes *= size;
    data.append(bytes, '\0');
  }
  ASSERT_OK_AND_ASSIGN(const auto writer,
                       SafetensorsWriter::Create(to, entries));
  ASSERT_OK(writer->Append(data.data(), data.size()));
  ASSERT_OK(writer->Close());
}

void WriteOneTensor(const std::string& path, const std::string& name,
                    uint8_t value) {
  ASSERT_OK_AND_ASSIGN(
      const auto writer,
      SafetensorsWriter::Create(path, {{name, DType::kUint8, {1}}}));
  ASSERT_OK(writer->Append(&value, 1));
  ASSERT_OK(writer->Close());
}

void LinkNano(const TempDirectory& directory,
              const std::vector<std::string>& without) {
  for (const auto& entry : fs::directory_iterator(kNano)) {
    const std::string name = entry.path().filename();
    if (std::find(without.begin(), without.end(), name) == without.end()) {
      directory.Link(entry.path(), name);
    }
  }
}

void MoveToBlobs(const TempDirectory& directory, const std::string& blobs) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory.path())) {
    files.push_back(entry.path());
  }
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string blob = blobs + "/" + std::to_string(i);
    fs::rename(files[i], blob);
    fs::create_symlink(fs::relative(blob, directory.path()), files[i]);
  }
}

}  // namespace cooper::testing
