#include "model/checkpoint/tensor_set.h"

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/logging.h"

namespace cooper::checkpoint {

void TensorSet::AddComputed(const StoredTensor& tensor, Source source) {
  computed_[tensor.name] = {tensor, std::move(source)};
}

const StoredTensor* TensorSet::Find(const std::string& name) const {
  const auto computed = computed_.find(name);
  if (computed != computed_.end()) return &computed->second.tensor;
  const SafetensorsFile* file = FileOf(name);
  return file == nullptr ? nullptr : file->Find(name);
}

absl::Status TensorSet::Read(const std::string& name, size_t begin,
                             size_t bytes, void* destination) const {
  const auto computed = computed_.find(name);
  if (computed != computed_.end()) {
    const size_t size = computed->second.tensor.bytes;
    COOPER_CHECK(begin <= size && bytes <= size - begin);
    return computed->second.source(begin, bytes, destination);
  }
  const SafetensorsFile* file = FileOf(name);
  if (file == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("no tensor \"", base::Printable(name), "\""));
  }
  return file->Read(*file->Find(name), begin, bytes, destination);
}

const SafetensorsFile* TensorSet::FileOf(const std::string& name) const {
  if (computed_.count(name) > 0) return nullptr;
  for (const auto& file : files_) {
    if (file->Find(name) != nullptr) return file.get();
  }
  return nullptr;
}

}  // namespace cooper::checkpoint
