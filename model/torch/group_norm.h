#ifndef COOPER_MODEL_TORCH_GROUP_NORM_H_
#define COOPER_MODEL_TORCH_GROUP_NORM_H_

#include <ATen/core/Tensor.h>

#include "model/torch/device.h"

namespace cooper::torch_model {

// The group norm of an image x [1, channels, height, width], whose channels lie
// together in memory (channels last), then silu if asked for. With our own
// kernels it is two passes over the image in place of libtorch's copies to and
// from the other memory format.
at::Tensor GroupNorm(const Device& device, const at::Tensor& x, int64_t groups,
                     const at::Tensor& weight, const at::Tensor& bias,
                     double eps, bool silu);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_GROUP_NORM_H_
