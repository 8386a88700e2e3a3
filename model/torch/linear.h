#ifndef COOPER_MODEL_TORCH_LINEAR_H_
#define COOPER_MODEL_TORCH_LINEAR_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>

#include "model/torch/device.h"

namespace cooper::torch_model {

// y = x W^T + b with the weights held in the form that is fastest to read.
//
// On a CPU a matrix whose values are (nearly) all float16 values, as every
// bf16 checkpoint's are, is packed to two bytes a weight and multiplied in
// float32 arithmetic: one token then costs little more than reading the matrix
// once. Others stay float32. On a card it is a matrix of the device's dtype.
//
// Immutable after construction; may be called from one thread at a time.
class Linear {
 public:
  Linear() = default;
  // `weight` [out, in], `bias` [out] or undefined: in host memory, any float
  // dtype.
  Linear(const at::Tensor& weight, const at::Tensor& bias,
         const Device& device);

  // x [rows, in] -> [rows, out], in the device's dtype.
  at::Tensor operator()(const at::Tensor& x) const;

  int64_t weight_bytes() const { return weight_bytes_; }
  bool packed() const { return !packed_.isNone(); }

 private:
  at::Tensor weight_;   // undefined when packed
  at::Tensor bias_;     // undefined: none, or packed with the weight
  c10::IValue packed_;  // None: not packed
  int64_t out_ = 0;
  int64_t weight_bytes_ = 0;
};

// Whether `weight` may be held as float16 without loss that float32 arithmetic
// would show.
bool FitsHalf(const at::Tensor& weight);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_LINEAR_H_
