#ifndef COOPER_MODEL_TORCH_KERNELS_GENERIC_H_
#define COOPER_MODEL_TORCH_KERNELS_GENERIC_H_

#include <memory>
#include <vector>

#include "model/torch/generic_plan.h"
#include "model/torch/kernels.h"

namespace cooper::torch_model {

// ATen's operators; on any device, in any dtype.
class GenericKernels : public Kernels {
 public:
  explicit GenericKernels(const Device& device) : device_(device) {}

  std::unique_ptr<PassPlan> Prepare(
      PassLayout layout, const at::Tensor& inverse_frequency) override;
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
  void Attend(int layer, const HeadShape& shape, const PassPlan& plan,
              const Rows& qkv, RowWindow window, Rows* out) override;

 protected:
  const Device& device() const { return device_; }
  // One call of Attend; `out` as there.
  virtual void AttendCall(int layer, const HeadShape& shape,
                          const PassPlan& plan, const AttentionCall& call,
                          const Rows& qkv, const RowWindow& window, Rows* out);
  // The attention of some sequences (see AttendSequences).
  virtual at::Tensor Attention(const at::Tensor& query, const at::Tensor& keys,
                               const at::Tensor& values,
                               const SequenceLengths& lengths);

 private:
  // [rows of the call, heads, dim].
  at::Tensor Run(const AttentionCall& call, int layer, const HeadShape& shape,
                 const std::vector<Segment>& segments, const Rows& qkv);

  const Device device_;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_KERNELS_GENERIC_H_
