#ifndef COOPER_MODEL_TORCH_DEVICE_SETTINGS_H_
#define COOPER_MODEL_TORCH_DEVICE_SETTINGS_H_

#include "model/torch/device.h"

namespace cooper::torch_model {

// Sets libtorch's process-wide switches as a network on `device` needs them.
// Call before the network's first operator.
//
// - float32 is float32: no TensorFloat-32 in products or convolutions.
//   libtorch allows it in convolutions, whose 10 bits of mantissa are too few
//   for the autoencoder's tolerance of 1e-4.
// - libtorch never chooses cuDNN for attention: cuDNN builds a plan for each
//   new length on the host and never frees it, and pytorch issue 193893 reports
//   silently wrong text with 28 query and 4 key/value heads of size 128.
// - Deterministic: sums of 16-bit products are kept in float32 and not split,
//   which needs cuBLASLt; cuDNN takes convolutions that give the same bits in
//   every run.
void ApplyDeviceSettings(const Device& device);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_DEVICE_SETTINGS_H_
