#ifndef COOPER_MODEL_TORCH_CPU_PACKED_WEIGHT_H_
#define COOPER_MODEL_TORCH_CPU_PACKED_WEIGHT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "model/torch/cpu/packed_gemm.h"

namespace cooper::torch_model {

// A weight matrix in host memory, packed for packed_gemm.h.
//
// Immutable after construction; may be used from several threads.
class PackedWeight {
 public:
  // `weight` [out, in], any float dtype. Its values are kept exactly: in two
  // bytes where each is a bf16 or each is a finite float16 value, else in four.
  explicit PackedWeight(
      const at::Tensor& weight,
      const packed_gemm::Kernels& kernels = packed_gemm::BestKernels());

  // x [rows, in] float32, contiguous rows -> [rows, out]; `bias` [out] float32
  // or undefined. Uses ATen's threads.
  at::Tensor Multiply(const at::Tensor& x, const at::Tensor& bias) const;

  packed_gemm::Format format() const { return packed_.format; }
  int64_t out() const { return packed_.n; }
  int64_t bytes() const { return bytes_; }
  // For callers that split the work themselves.
  const packed_gemm::Packed& packed() const { return packed_; }
  const packed_gemm::Kernels& kernels() const { return *kernels_; }
  int64_t panels() const {
    return (packed_.n + kernels_->panel_columns - 1) / kernels_->panel_columns;
  }

 private:
  const packed_gemm::Kernels* kernels_;
  packed_gemm::Packed packed_;
  int64_t bytes_ = 0;
  std::shared_ptr<void> memory_;
};

// This thread's scratch for `kernels`; good until the thread ends.
float* PackedGemmScratch(const packed_gemm::Kernels& kernels);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_CPU_PACKED_WEIGHT_H_
