#ifndef COOPER_MODEL_TORCH_GROUP_NORM_H_
#define COOPER_MODEL_TORCH_GROUP_NORM_H_

#include <ATen/core/Tensor.h>

#include "model/torch/device.h"

namespace cooper::torch_model {

// Images are [1, channels, height, width], channels last in memory. With our
// own kernels each function is one or two passes over the image; libtorch
// copies it to the other memory format and back for a group norm.

// What a convolution gave, and the bias [channels] that is still to be added
// (undefined: none), so that the next pass over the image can do that.
struct Unbiased {
  at::Tensor x;
  at::Tensor bias;
};

// The group norm of x + x.bias, then silu if asked for.
at::Tensor GroupNorm(const Device& device, const Unbiased& x, int64_t groups,
                     const at::Tensor& weight, const at::Tensor& bias,
                     double eps, bool silu);

// x + x.bias, + residual where that is defined; may overwrite x.
at::Tensor AddBias(const Device& device, const Unbiased& x,
                   const at::Tensor& residual);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_GROUP_NORM_H_
