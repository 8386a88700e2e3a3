#ifndef COOPER_MODEL_TORCH_LONG_ATTENTION_H_
#define COOPER_MODEL_TORCH_LONG_ATTENTION_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>

#include "model/cuda/long_attention.h"
#include "model/torch/attention.h"
#include "model/torch/device.h"

namespace cooper::torch_model {

// The attention of long rows by a library that is faster at it than
// FlashAttention 2 (cuDNN on compute capability 9.0), once a trial has shown
// that it gives the same. Not thread-safe.
class LongRows {
 public:
  explicit LongRows(const Device& device) : device_(device) {}

  // Whether Attend takes these sequences. The first call that could be taken
  // makes the trial (in warming up), and logs what came of it.
  bool Takes(const at::Tensor& query, const at::Tensor& keys,
             const SequenceLengths& lengths);
  // As AttendSequences. Throws c10::Error.
  at::Tensor Attend(const at::Tensor& query, const at::Tensor& keys,
                    const at::Tensor& values, const SequenceLengths& lengths);

 private:
  void Try(int64_t heads, int64_t kv_heads, int64_t dim);
  bool IsRight(int64_t heads, int64_t kv_heads, int64_t dim);

  const Device device_;
  bool tried_ = false;
  std::unique_ptr<cuda::LongAttention> attention_;  // null: not to be used
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_LONG_ATTENTION_H_
