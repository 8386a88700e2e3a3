#ifndef COOPER_MODEL_CHECKPOINT_SAFETENSORS_H_
#define COOPER_MODEL_CHECKPOINT_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cooper::checkpoint {

enum class DType {
  kFloat32,
  kFloat16,
  kBFloat16,
  kFloat64,
  kInt64,
  kInt32,
  kInt16,
  kInt8,
  kUint8,
  kBool
};
const char* DTypeName(DType dtype);  // "F32", "BF16", ...
int64_t DTypeBytes(DType dtype);

// A tensor inside a file; row-major, little-endian.
struct StoredTensor {
  std::string name;
  DType dtype = DType::kFloat32;
  std::vector<int64_t> shape;
  size_t offset_bytes = 0;  // from the begin of the file
  size_t bytes = 0;
};

// One open *.safetensors file, wholly checked against the format
// before any tensor is given out: header length, JSON, dtypes, shapes
// (products without overflow), offsets (in range, contiguous, no overlap, no
// gap, nothing after the last).
//
// Tensors are read, not mapped: a file that shrinks, or storage that fails,
// while weights are being loaded would end the process by a signal.
//
// Immutable after Open, thread-safe. Errors name file, tensor and rule:
// NOT_FOUND no such file; DATA_LOSS truncated or malformed; what read() says.
class SafetensorsFile {
 public:
  static absl::StatusOr<std::shared_ptr<const SafetensorsFile>> Open(
      const std::string& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::map<std::string, StoredTensor>& tensors() const {
    return tensors_;
  }
  const StoredTensor* Find(const std::string& name) const;  // null: absent
  // Reads `bytes` bytes of one of the file's tensors, from its byte `begin` on,
  // into `destination`. Blocks while the storage does. DATA_LOSS: the file is
  // shorter than it was when it was opened.
  absl::Status Read(const StoredTensor& tensor, size_t begin, size_t bytes,
                    void* destination) const;
  // All `tensor.bytes` of them.
  absl::Status Read(const StoredTensor& tensor, void* destination) const {
    return Read(tensor, 0, tensor.bytes, destination);
  }
  // The same of the whole file, header and all, for checksums.
  absl::Status ReadRaw(size_t begin, size_t bytes, void* destination) const;
  size_t file_bytes() const { return file_bytes_; }  // when it was opened
  const std::string& path() const { return path_; }

 private:
  SafetensorsFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  // Checks the file, whose header it reads, and fills tensors_.
  absl::Status Parse();

  const std::string path_;
  const int fd_;  // owned
  size_t file_bytes_ = 0;
  std::map<std::string, StoredTensor> tensors_;
};

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_SAFETENSORS_H_
