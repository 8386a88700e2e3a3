// Headers of *.safetensors files. An input is read as a whole file, and as a
// header (up to its last '}') with the data behind it, so that the length in
// front need not be guessed.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "base/check.h"
#include "model/checkpoint/safetensors_header.h"
#include "tests/fuzz/fuzz_target.h"

namespace cooper::fuzz {
namespace {

using checkpoint::kLengthBytes;
using checkpoint::StoredTensor;

// What is accepted is JSON to the reader that builds a tree too, with the same
// tensors in it, and these fill the data.
void CheckAccepted(absl::string_view file,
                   const std::map<std::string, StoredTensor>& tensors) {
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), kLengthBytes);
  const absl::string_view header = file.substr(kLengthBytes, header_bytes);
  const nlohmann::json tree = nlohmann::json::parse(
      header.begin(), header.end(), nullptr, /*allow_exceptions=*/false);
  COOPER_CHECK(tree.is_object());
  COOPER_CHECK(tree.size() - tree.count("__metadata__") == tensors.size());

  const size_t data = kLengthBytes + header_bytes;
  std::vector<std::pair<size_t, size_t>> ranges;
  for (const auto& [name, tensor] : tensors) {
    COOPER_CHECK(tensor.name == name);
    const nlohmann::json& entry = tree.at(name);
    COOPER_CHECK(entry.at("dtype") == checkpoint::DTypeName(tensor.dtype));
    COOPER_CHECK(entry.at("shape") == tensor.shape);
    COOPER_CHECK(entry.at("data_offsets").at(0) == tensor.offset_bytes - data);
    ranges.emplace_back(tensor.offset_bytes,
                        tensor.offset_bytes + tensor.bytes);
  }
  std::sort(ranges.begin(), ranges.end());
  size_t next = data;
  for (const auto& [begin, end] : ranges) {
    COOPER_CHECK(begin == next);
    next = end;
  }
  COOPER_CHECK(next == file.size());
}

void CheckFile(absl::string_view file) {
  const auto bytes = absl::MakeConstSpan(
      reinterpret_cast<const uint8_t*>(file.data()), file.size());
  const auto header_bytes = checkpoint::HeaderBytes(bytes, file.size());
  if (!header_bytes.ok()) {
    COOPER_CHECK(header_bytes.status().code() == absl::StatusCode::kDataLoss);
    return;
  }
  const auto tensors = checkpoint::ParseSafetensors(
      bytes.first(kLengthBytes + *header_bytes), file.size());
  if (!tensors.ok()) {
    COOPER_CHECK(tensors.status().code() == absl::StatusCode::kDataLoss);
    return;
  }
  CheckAccepted(file, *tensors);
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  CheckFile(bytes);
  // npos + 1 is 0: without a brace all is data.
  const uint64_t header_bytes = bytes.rfind('}') + 1;
  std::string file(kLengthBytes, '\0');
  std::memcpy(file.data(), &header_bytes, kLengthBytes);
  file.append(bytes.data(), bytes.size());
  CheckFile(file);
}

}  // namespace cooper::fuzz
