#ifndef COOPER_MODEL_TORCH_GUARD_H_
#define COOPER_MODEL_TORCH_GUARD_H_

#include <functional>

#include "absl/status/status.h"
#include "model/torch/device.h"

namespace cooper::torch_model {

// Runs `work` without gradients; the one place where libtorch's exceptions
// become a status. RESOURCE_EXHAUSTED: out of memory; INTERNAL: anything else.
absl::Status Guarded(const std::function<absl::Status()>& work);

// The same for work on `device`: its GPU is made the calling thread's current
// one before, and memory that no tensor uses is given back to it where it ran
// out.
absl::Status Guarded(const Device& device,
                     const std::function<absl::Status()>& work);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_GUARD_H_
