#ifndef COOPER_MODEL_TORCH_WEIGHTS_H_
#define COOPER_MODEL_TORCH_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/checkpoint/checkpoint.h"
#include "model/load_progress.h"
#include "model/torch/device.h"

namespace cooper::torch_model {

// Rows of a matrix, or values of a vector, that are one stored tensor.
struct RowPart {
  std::string name;
  int64_t rows = 0;
};

// Gives the tensors of one file set of a checkpoint, by name and expected
// shape, on the device and in the form in which the network uses them. Each
// tensor's memory is allocated once, there, and filled in place.
//
// A tensor that does not fit is recorded, and its place is left undefined, so
// that building goes on and one message can name what differs. Nothing built
// may be used before `status()` has returned OK.
//
// Not thread-safe.
class WeightReader {
 public:
  enum class Part { kNetwork, kAutoencoder };

  virtual ~WeightReader() = default;
  WeightReader(const WeightReader&) = delete;
  WeightReader& operator=(const WeightReader&) = delete;

  // A tensor in the device's dtype.
  at::Tensor Take(const std::string& name, at::IntArrayRef shape);
  // The parts one after the other, in the device's dtype.
  at::Tensor TakeVector(absl::Span<const RowPart> parts);
  // The rows of the parts one below the other: [sum of rows, columns]. In the
  // device's dtype or, where products keep the bytes of the checkpoint
  // (Device::fused_cpu), in the dtype that holds all parts as they are stored.
  at::Tensor TakeMatrix(absl::Span<const RowPart> parts, int64_t columns);

  // Waits until all that was taken is in place. DATA_LOSS naming the first
  // five differences and how many there are; or the first failure of reading,
  // with file and tensor.
  virtual absl::Status status() = 0;

  int64_t parameters() const { return parameters_; }
  const Device& device() const { return device_; }

 protected:
  explicit WeightReader(const Device& device) : device_(device) {}

  // The dtype in which a tensor is stored; nothing if it does not fit, which
  // is then recorded.
  virtual std::optional<at::ScalarType> StoredType(const std::string& name,
                                                   at::IntArrayRef shape) = 0;
  // Fills `destination` (contiguous, on the device, of any float dtype) with
  // the tensor `name`, whose shape it has. It may be filled later, in the order
  // of the device's stream.
  virtual void Fill(const std::string& name, const at::Tensor& destination) = 0;

 private:
  at::Tensor TakeRows(absl::Span<const RowPart> parts, at::IntArrayRef row,
                      bool as_stored);

  const Device device_;
  int64_t parameters_ = 0;
};

// Reads one file set of `checkpoint`. That and `progress`, which is told the
// bytes that were read and may be null, must outlive the reader.
std::unique_ptr<WeightReader> MakeFileWeights(
    const checkpoint::Checkpoint& checkpoint, WeightReader::Part part,
    const Device& device, model::LoadProgress* progress = nullptr);

// Draws every tensor on the device instead: matrices normal with a deviation of
// 1 / sqrt(inputs), norms near 1, biases small. The same `seed` gives the same
// values of a name on the same kind of device. They have the precision of
// bfloat16 (network) or float32 (autoencoder). For benchmarks and checks.
std::unique_ptr<WeightReader> MakeRandomWeights(WeightReader::Part part,
                                                const Device& device,
                                                uint64_t seed = 0);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_WEIGHTS_H_
