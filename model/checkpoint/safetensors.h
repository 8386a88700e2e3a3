#ifndef COOPER_MODEL_CHECKPOINT_SAFETENSORS_H_
#define COOPER_MODEL_CHECKPOINT_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
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

// A tensor inside a mapped file; row-major, little-endian. Alignment is only
// what the file gives (often 1 to 8 bytes).
struct TensorView {
  std::string name;
  DType dtype = DType::kFloat32;
  std::vector<int64_t> shape;
  const uint8_t* data = nullptr;  // lives as long as its file
  size_t bytes = 0;
};

// One memory-mapped *.safetensors file, wholly checked against the format
// before any tensor is given out: header length, JSON, dtypes, shapes
// (products without overflow), offsets (in range, contiguous, no overlap, no
// gap, nothing after the last).
//
// Immutable after Open, thread-safe. Errors name file, tensor and rule:
// NOT_FOUND no such file; DATA_LOSS truncated or malformed.
class SafetensorsFile {
 public:
  static absl::StatusOr<std::shared_ptr<const SafetensorsFile>> Open(
      const std::string& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const TensorView* Find(const std::string& name) const;  // null: absent
  const std::string& path() const { return path_; }

 private:
  SafetensorsFile() = default;
  absl::Status Parse();

  std::string path_;
  const uint8_t* mapped_ = nullptr;
  size_t mapped_bytes_ = 0;
  std::map<std::string, TensorView> tensors_;
};

// Writes tensors one after the other into one file; the header is known first,
// so the data never has to be in memory at once.
class SafetensorsWriter {
 public:
  struct Entry {
    std::string name;
    DType dtype;
    std::vector<int64_t> shape;
  };
  static absl::StatusOr<std::unique_ptr<SafetensorsWriter>> Create(
      const std::string& path, const std::vector<Entry>& entries);
  ~SafetensorsWriter();
  // Data of the next entry, in the order given; may come in pieces.
  absl::Status Append(const void* data, size_t bytes);
  // Flushes and closes; an error if data is missing.
  absl::Status Close();

 private:
  struct State;
  explicit SafetensorsWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_SAFETENSORS_H_
