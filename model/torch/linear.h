#ifndef COOPER_MODEL_TORCH_LINEAR_H_
#define COOPER_MODEL_TORCH_LINEAR_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "model/torch/cpu/packed_weight.h"
#include "model/torch/device.h"
#include "model/torch/weights.h"

namespace cooper::torch_model {

// y = x W^T + b with the weights held in the form that is fastest to read.
//
// On a CPU in float32 the weights keep the bytes they have in the checkpoint
// (see packed_gemm.h): one token costs little more than reading them once. On a
// GPU, in bfloat16, and with generic kernels they are a matrix of the device's
// dtype.
//
// Deterministic (Device::deterministic): a library's product of a row may
// depend on how many rows go with it, so rows go through in blocks of one fixed
// size, the last of which is filled up with zeros.
//
// Immutable after construction; may be called from one thread at a time.
class Linear {
 public:
  // How many rows it gets at once, usually: what the fixed size of blocks
  // follows from. Few: a decoded token of each context, so that filling up
  // costs less than reading the weights. Many: a map's latents.
  enum class UsualRows { kFew, kMany };

  Linear() = default;
  // `weight` [out, in], `bias` [out] or undefined: of any float dtype.
  Linear(const at::Tensor& weight, const at::Tensor& bias, const Device& device,
         UsualRows rows = UsualRows::kFew);
  // Takes PART.weight and, with a bias, PART.bias of all parts: their outputs
  // one after the other.
  static Linear Read(WeightReader& weights, absl::Span<const RowPart> parts,
                     int64_t inputs, bool bias,
                     UsualRows rows = UsualRows::kFew);

  // x [rows, in] -> [rows, out], in the device's dtype.
  at::Tensor operator()(const at::Tensor& x) const;

  int64_t weight_bytes() const { return weight_bytes_; }
  // The packed weights; null on a GPU.
  const PackedWeight* packed() const { return packed_.get(); }
  const at::Tensor& bias() const { return bias_; }
  // [out, in]; undefined where they are packed.
  const at::Tensor& weight() const { return weight_; }

 private:
  at::Tensor InBlocks(const at::Tensor& x) const;

  at::Tensor weight_;  // undefined when packed
  at::Tensor bias_;    // undefined: none
  std::shared_ptr<const PackedWeight> packed_;
  int64_t out_ = 0;
  int64_t block_rows_ = 0;  // 0: all rows at once
  int64_t weight_bytes_ = 0;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_LINEAR_H_
