#ifndef COOPER_MODEL_TORCH_LINEAR_H_
#define COOPER_MODEL_TORCH_LINEAR_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "model/torch/device.h"
#include "model/torch/packed_weight.h"
#include "model/torch/weights.h"

namespace cooper::torch_model {

// y = x W^T + b with the weights held in the form that is fastest to read.
//
// On a CPU in float32 the weights keep the bytes they have in the checkpoint
// (see packed_gemm.h): one token costs little more than reading them once. On a
// card, and in bfloat16, or with generic kernels, it is a matrix of the
// device's dtype.
//
// Immutable after construction; may be called from one thread at a time.
class Linear {
 public:
  Linear() = default;
  // `weight` [out, in], `bias` [out] or undefined: of any float dtype.
  Linear(const at::Tensor& weight, const at::Tensor& bias,
         const Device& device);
  // Takes PART.weight and, with a bias, PART.bias of all parts: their outputs
  // one after the other.
  static Linear Read(WeightReader& weights, absl::Span<const RowPart> parts,
                     int64_t inputs, bool bias);

  // x [rows, in] -> [rows, out], in the device's dtype.
  at::Tensor operator()(const at::Tensor& x) const;

  int64_t weight_bytes() const { return weight_bytes_; }
  // The packed weights; null on a card.
  const PackedWeight* packed() const { return packed_.get(); }
  const at::Tensor& bias() const { return bias_; }

 private:
  at::Tensor weight_;  // undefined when packed
  at::Tensor bias_;    // undefined: none
  std::shared_ptr<const PackedWeight> packed_;
  int64_t out_ = 0;
  int64_t weight_bytes_ = 0;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_LINEAR_H_
