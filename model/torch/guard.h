#ifndef COOPER_MODEL_TORCH_GUARD_H_
#define COOPER_MODEL_TORCH_GUARD_H_

#include <functional>

#include "absl/status/status.h"

namespace cooper::torch_model {

// Runs `work` without gradients; the one place where libtorch's exceptions
// become a status. RESOURCE_EXHAUSTED: out of memory; INTERNAL: anything else.
absl::Status Guarded(const std::function<absl::Status()>& work);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_GUARD_H_
