#ifndef COOPER_MODEL_CHECKPOINT_TENSOR_SET_H_
#define COOPER_MODEL_CHECKPOINT_TENSOR_SET_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "model/checkpoint/safetensors.h"

namespace cooper::checkpoint {

using WeightFiles = std::vector<std::shared_ptr<const SafetensorsFile>>;

// The tensors of the network or of the autoencoder: each comes from the first
// file that has it, or is computed. Thread-safe while nothing is added.
class TensorSet {
 public:
  // Writes `bytes` of a tensor from its byte `begin` on. Thread-safe.
  using Source = std::function<absl::Status(size_t begin, size_t bytes,
                                            void* destination)>;

  TensorSet() = default;
  explicit TensorSet(WeightFiles files) : files_(std::move(files)) {}

  // From here on `tensor` comes from `source`; no file counts for it.
  void AddComputed(const StoredTensor& tensor, Source source);

  const StoredTensor* Find(const std::string& name) const;  // null: absent
  // As SafetensorsFile::Read. NOT_FOUND: absent.
  absl::Status Read(const std::string& name, size_t begin, size_t bytes,
                    void* destination) const;
  // The file that Find's answer comes from; null: absent or computed.
  const SafetensorsFile* FileOf(const std::string& name) const;
  const WeightFiles& files() const { return files_; }

 private:
  struct Computed {
    StoredTensor tensor;
    Source source;
  };

  WeightFiles files_;
  std::map<std::string, Computed> computed_;
};

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_TENSOR_SET_H_
