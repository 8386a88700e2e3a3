#ifndef COOPER_MODEL_DEVICE_STATUS_H_
#define COOPER_MODEL_DEVICE_STATUS_H_

#include "absl/status/status.h"

namespace cooper::model {

// Marks a failure to load as the device's: there is no usable GPU, or it has
// too little memory. Another machine may do, another checkpoint or flag will
// not. Programs end with an exit code of its own for it. OK stays OK.
absl::Status DeviceUnusable(absl::Status status);
bool IsDeviceUnusable(const absl::Status& status);

}  // namespace cooper::model

#endif  // COOPER_MODEL_DEVICE_STATUS_H_
