#ifndef COOPER_MODEL_TORCH_DEVICE_SETTINGS_H_
#define COOPER_MODEL_TORCH_DEVICE_SETTINGS_H_

#include "model/torch/device.h"

namespace cooper::torch_model {

// Sets libtorch's process-wide switches as a network on `device` needs them.
// Call before the network's first operator.
//
// - float32 is float32: no TensorFloat-32 in products or convolutions.
//   libtorch allows it in convolutions, which moves the autoencoder's results
//   by 5e-4 to 2e-3 of their RMS.
// - Attention never goes to cuDNN by itself: cuDNN builds a plan for each new
//   length (23 to 40 ms on the host) and keeps it for ever, and pytorch issue
//   193893 reports silently wrong text with heads of this shape.
// - Deterministic: sums of 16-bit products are kept in float32, and cuDNN takes
//   convolutions that give the same bits in every run.
void ApplyDeviceSettings(const Device& device);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_DEVICE_SETTINGS_H_
