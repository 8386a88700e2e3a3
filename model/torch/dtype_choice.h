#ifndef COOPER_MODEL_TORCH_DTYPE_CHOICE_H_
#define COOPER_MODEL_TORCH_DTYPE_CHOICE_H_

#include <ATen/core/Tensor.h>

namespace cooper::torch_model {

// Seconds of the same two matrix products: one row, as a token that is decoded
// takes, and many, as a denoising step does.
struct ProductSeconds {
  double one_row = 0.0;
  double many_rows = 0.0;
};

// bfloat16 only where it is no slower at either: float32 is also the more
// exact of the two.
at::ScalarType FasterType(const ProductSeconds& float32,
                          const ProductSeconds& bfloat16);

// What --dtype auto means on this processor: measured (some 50 ms) where it has
// bfloat16 arithmetic, else float32, since products in bfloat16 are then many
// times slower.
at::ScalarType MeasuredCpuType();

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_DTYPE_CHOICE_H_
