#ifndef COOPER_MODEL_TORCH_KERNELS_GPU_H_
#define COOPER_MODEL_TORCH_KERNELS_GPU_H_

#include "model/torch/kernels_generic.h"
#include "model/torch/long_attention.h"

namespace cooper::torch_model {

// Our own kernels for a GPU, each in place of a dozen of ATen's operators;
// those remain where a shape does not suit (cuda::kWidthMultiple and others)
// and for the attention of several rows. `device.launcher` is not null; with
// one that emulates a GPU the tensors may lie in the host's memory.
class GpuKernels final : public GenericKernels {
 public:
  explicit GpuKernels(const Device& device);

  at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight,
                  double eps) override;
  at::Tensor AddNorm(at::Tensor& x, const at::Tensor& delta,
                     const at::Tensor& weight, double eps) override;
  void NormRope(at::Tensor& qkv, const HeadShape& shape,
                const at::Tensor& q_norm, const at::Tensor& k_norm,
                const RowAngles& angles, double eps) override;
  at::Tensor SiluMul(const at::Tensor& gate_up) override;
  void WriteCache(int layer, const HeadShape& shape, const PassPlan& plan,
                  const Rows& qkv) override;

 protected:
  void AttendCall(int layer, const HeadShape& shape, const PassPlan& plan,
                  const AttentionCall& call, const Rows& qkv,
                  const RowWindow& window, Rows* out) override;
  at::Tensor Attention(const at::Tensor& query, const at::Tensor& keys,
                       const at::Tensor& values,
                       const SequenceLengths& lengths) override;

 private:
  // `delta` is undefined where nothing is added.
  at::Tensor RunNorm(const at::Tensor& x, const at::Tensor& delta,
                     const at::Tensor& weight, double eps);
  cuda::Type type() const;

  const cuda::Launcher& launcher_;
  LongRows long_rows_;
};

// Throws c10::Error unless `error`, a function of cuda::Launcher's, is 0.
void CheckLaunched(int error, const char* kernel);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_KERNELS_GPU_H_
