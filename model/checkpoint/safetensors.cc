#include "model/checkpoint/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "model/checkpoint/file_lookup.h"
#include "model/checkpoint/safetensors_header.h"

namespace cooper::checkpoint {

namespace {

constexpr size_t kForeignBytes = 512;  // what ForeignContent looks at

// DATA_LOSS where the file ends before; `missing_after` bytes that are not read
// here would be missing then, too.
absl::Status ReadAt(int fd, size_t offset, size_t bytes, void* destination,
                    size_t missing_after = 0) {
  auto* to = static_cast<uint8_t*>(destination);
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got =
        ::pread(fd, to + done, bytes - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, "read");
    if (got == 0) {
      return absl::DataLossError(absl::StrCat(
          "the file ends at ", offset + done, ", ",
          bytes - done + missing_after,
          " bytes too early: it was changed while it was being read"));
    }
    done += static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

}  // namespace

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
  std::shared_ptr<SafetensorsFile> file(new SafetensorsFile(path, fd));
  COOPER_RETURN_IF_ERROR(base::Annotate(file->Parse(), path));
  return file;
}

SafetensorsFile::~SafetensorsFile() { ::close(fd_); }

absl::Status SafetensorsFile::Parse() {
  struct stat info;
  if (::fstat(fd_, &info) != 0) return absl::ErrnoToStatus(errno, "fstat");
  if (!S_ISREG(info.st_mode)) {
    return absl::DataLossError("not a regular file");
  }
  const auto file_bytes = static_cast<size_t>(info.st_size);
  if (file_bytes == 0) {
    return absl::DataLossError("an empty file; download it again");
  }
  std::vector<uint8_t> start(std::min(file_bytes, kForeignBytes));
  COOPER_RETURN_IF_ERROR(ReadAt(fd_, 0, start.size(), start.data()));
  if (start.size() <= kLengthBytes || start[kLengthBytes] != '{') {
    const auto* const text = reinterpret_cast<const char*>(start.data());
    if (const auto foreign = ForeignContent({text, start.size()})) {
      return absl::DataLossError(*foreign);
    }
  }
  COOPER_ASSIGN_OR_RETURN(const size_t header_bytes,
                          HeaderBytes(start, file_bytes));
  start.resize(kLengthBytes + header_bytes);
  COOPER_RETURN_IF_ERROR(ReadAt(fd_, 0, start.size(), start.data()));
  COOPER_ASSIGN_OR_RETURN(tensors_, ParseSafetensors(start, file_bytes));
  file_bytes_ = file_bytes;
  return absl::OkStatus();
}

absl::Status SafetensorsFile::Read(const StoredTensor& tensor, size_t begin,
                                   size_t bytes, void* destination) const {
  COOPER_CHECK(begin <= tensor.bytes && bytes <= tensor.bytes - begin);
  return base::Annotate(
      ReadAt(fd_, tensor.offset_bytes + begin, bytes, destination,
             tensor.bytes - begin - bytes),
      absl::StrCat(path_, ": tensor \"", base::Printable(tensor.name), "\""));
}

absl::Status SafetensorsFile::ReadRaw(size_t begin, size_t bytes,
                                      void* destination) const {
  COOPER_CHECK(begin <= file_bytes_ && bytes <= file_bytes_ - begin);
  return base::Annotate(ReadAt(fd_, begin, bytes, destination), path_);
}

const StoredTensor* SafetensorsFile::Find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

}  // namespace cooper::checkpoint
