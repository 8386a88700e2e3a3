#ifndef COOPER_TESTS_TOOLS_SAFETENSORS_WRITER_H_
#define COOPER_TESTS_TOOLS_SAFETENSORS_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint/safetensors.h"

namespace cooper::checkpoint {

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

#endif  // COOPER_TESTS_TOOLS_SAFETENSORS_WRITER_H_
