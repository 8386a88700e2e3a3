#ifndef COOPER_MODEL_TORCH_WEIGHTS_H_
#define COOPER_MODEL_TORCH_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/checkpoint/checkpoint.h"

namespace cooper::torch_model {

// Takes tensors out of one file set of a checkpoint, by name and expected
// shape. A tensor that is missing or of another shape is recorded, and zeros
// are given in its place, so that building goes on and one message can name
// what differs; nothing built may be used unless `status()` is OK.
//
// Not thread-safe.
class WeightReader {
 public:
  enum class Part { kNetwork, kAutoencoder };
  WeightReader(const checkpoint::Checkpoint& checkpoint, Part part)
      : checkpoint_(checkpoint), part_(part) {}

  // A copy in host memory, in the dtype of the file (float32, float16 or
  // bfloat16).
  at::Tensor Take(const std::string& name, at::IntArrayRef shape);
  bool Has(const std::string& name) const;

  // DATA_LOSS naming the first five differences and how many there are; or the
  // first failure of reading, with file and tensor.
  absl::Status status() const;
  int64_t parameters() const { return parameters_; }

 private:
  const checkpoint::StoredTensor* Find(const std::string& name) const;

  const checkpoint::Checkpoint& checkpoint_;
  const Part part_;
  absl::Status read_status_;  // the first failure
  std::vector<std::string> differences_;
  int64_t parameters_ = 0;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_WEIGHTS_H_
