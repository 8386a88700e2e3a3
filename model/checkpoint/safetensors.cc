#include "model/checkpoint/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/safetensors_header.h"
#include "server/base/status_macros.h"

namespace cooper::checkpoint {

const char* DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "F32";
    case DType::kFloat16:
      return "F16";
    case DType::kBFloat16:
      return "BF16";
    case DType::kFloat64:
      return "F64";
    case DType::kInt64:
      return "I64";
    case DType::kInt32:
      return "I32";
    case DType::kInt16:
      return "I16";
    case DType::kInt8:
      return "I8";
    case DType::kUint8:
      return "U8";
    case DType::kBool:
      return "BOOL";
  }
  return "";
}

int64_t DTypeBytes(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
    case DType::kInt64:
      return 8;
    case DType::kFloat32:
    case DType::kInt32:
      return 4;
    case DType::kFloat16:
    case DType::kBFloat16:
    case DType::kInt16:
      return 2;
    case DType::kInt8:
    case DType::kUint8:
    case DType::kBool:
      return 1;
  }
  return 0;
}

absl::StatusOr<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::Open(
    const std::string& path) {
  // O_NONBLOCK: a FIFO in place of the file is an error, not a hang.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  std::shared_ptr<SafetensorsFile> file(new SafetensorsFile());
  file->path_ = path;
  absl::Status status;
  struct stat info;
  if (::fstat(fd, &info) != 0) {
    status = absl::ErrnoToStatus(errno, path);
  } else if (!S_ISREG(info.st_mode)) {
    status = absl::DataLossError(absl::StrCat(path, ": not a regular file"));
  } else if (info.st_size > 0) {  // an empty mapping is an error of mmap's
    void* mapped = ::mmap(nullptr, info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapped == MAP_FAILED) {
      status = absl::ErrnoToStatus(errno, absl::StrCat(path, ": mmap"));
    } else {
      file->mapped_ = static_cast<const uint8_t*>(mapped);
      file->mapped_bytes_ = info.st_size;
    }
  }
  ::close(fd);
  COOPER_RETURN_IF_ERROR(status);
  COOPER_RETURN_IF_ERROR(base::Annotate(file->Parse(), path));
  return file;
}

SafetensorsFile::~SafetensorsFile() {
  if (mapped_ != nullptr) {
    ::munmap(const_cast<uint8_t*>(mapped_), mapped_bytes_);
  }
}

absl::Status SafetensorsFile::Parse() {
  COOPER_ASSIGN_OR_RETURN(
      tensors_, ParseSafetensors(absl::MakeConstSpan(mapped_, mapped_bytes_)));
  return absl::OkStatus();
}

const TensorView* SafetensorsFile::Find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

}  // namespace cooper::checkpoint
