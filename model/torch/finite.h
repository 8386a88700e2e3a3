#ifndef COOPER_MODEL_TORCH_FINITE_H_
#define COOPER_MODEL_TORCH_FINITE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace cooper::torch_model {

// Whether none of `count` values in host memory is an infinity or a NaN; `type`
// is float32, float16 or bfloat16. Reads them once and allocates nothing.
bool AllFinite(const void* values, int64_t count, at::ScalarType type);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_FINITE_H_
