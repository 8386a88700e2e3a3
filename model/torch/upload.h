#ifndef COOPER_MODEL_TORCH_UPLOAD_H_
#define COOPER_MODEL_TORCH_UPLOAD_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/torch/device.h"

namespace cooper::torch_model {

// A copy of `host` on the device, of the same dtype. To a GPU it goes through
// pinned memory, so that the calling thread does not wait for the GPU; `host`
// may change as soon as the function returns.
at::Tensor Upload(const at::Tensor& host, const Device& device);

// A copy of `tensor` in host memory, contiguous; waits for it. From a GPU it
// goes through pinned memory, at the full rate of the link.
at::Tensor Download(const at::Tensor& tensor);

// Several lists of integers in one upload.
class IntegerUpload {
 public:
  // A list within the upload.
  struct Part {
    int64_t begin = 0;
    int64_t count = 0;
  };

  Part Add(const std::vector<int64_t>& values);
  // After the last Add, once.
  void Send(const Device& device);
  // After Send: int64 on the device.
  at::Tensor Get(const Part& part) const;

 private:
  std::vector<int64_t> values_;
  at::Tensor sent_;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_UPLOAD_H_
