#ifndef COOPER_MODEL_TORCH_WEIGHT_UPLOAD_H_
#define COOPER_MODEL_TORCH_WEIGHT_UPLOAD_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "model/torch/device.h"
#include "model/torch/staging_ring.h"

namespace cooper::torch_model {

// Fills tensors on a device with values from files, and finds those that are
// not finite.
//
// A tensor in host memory that has the dtype of the file is read in place.
// Others go through a ring of host memory in pieces: while one piece is being
// read, the one before is copied, checked and converted on the device; nothing
// waits for the device but the ring. Beside the tensors this takes two buffers
// of host memory, and on the device what the pieces in one buffer take.
//
// Not thread-safe; reads with ATen's threads.
class WeightUpload {
 public:
  // Reads `bytes` of a tensor from its byte `begin` on into `destination`.
  // Called from several threads at once.
  using Read = absl::FunctionRef<absl::Status(size_t begin, size_t bytes,
                                              void* destination)>;

  explicit WeightUpload(const Device& device,
                        int64_t buffer_bytes = StagingRing::kDefaultBufferBytes)
      : device_(device), ring_(device.device, buffer_bytes) {}

  // Fills `destination` (contiguous, on the device, of any float dtype) with
  // as many values of `type` as it has. On an error, the first one by place in
  // the file, it is left in any state. `name` is what Finish() calls it.
  absl::Status Fill(const std::string& name, at::ScalarType type, Read read,
                    const at::Tensor& destination);

  // Waits until all tensors are filled. The names of those that have values
  // which are not finite, in the order in which they were filled.
  std::vector<std::string> Finish();

 private:
  absl::Status FillInPlace(const std::string& name, Read read,
                           const at::Tensor& destination);
  // `values` are some of the tensor that is being filled.
  void Check(const at::Tensor& values);

  const Device device_;
  StagingRing ring_;
  std::vector<std::string> names_;
  // Of the pieces: the tensor's index in names_; the least and the greatest
  // value, float32 on the device, which are not finite if any value is not.
  std::vector<size_t> piece_tensors_;
  std::vector<at::Tensor> extremes_;  // two a piece
  std::vector<size_t> not_finite_;    // read in place; indices into names_
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_WEIGHT_UPLOAD_H_
