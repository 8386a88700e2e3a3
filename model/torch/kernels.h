#ifndef COOPER_MODEL_TORCH_KERNELS_H_
#define COOPER_MODEL_TORCH_KERNELS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "model/torch/device.h"
#include "model/torch/linear.h"
#include "model/torch/pass_plan.h"

// What a transformer layer does between its matrix products, behind one
// interface: fused float32 on a CPU (kernels_cpu.cc), ATen's operators anywhere
// else (kernels_generic.cc; also the reference that the former is tested
// against).

namespace cooper::torch_model {

// Query heads, key/value heads and their size.
struct HeadShape {
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t dim = 0;
  int64_t qkv_width() const { return (heads + 2 * kv_heads) * dim; }
};

// One expert's part of a layer.
struct Expert {
  at::Tensor input_norm, post_norm;  // [hidden]
  at::Tensor q_norm, k_norm;         // [dim]; undefined without qk_norm
  Linear qkv, out, gate_up, down;
};

// Not thread-safe; a plan may be used with the kernels that prepared it only.
class Kernels {
 public:
  virtual ~Kernels() = default;

  // Prepares a pass: what all layers need of its segments and positions, in one
  // upload where the device has memory of its own. The contexts of segments
  // that write have room reserved. `inverse_frequency` is [dim / 2] float32.
  virtual std::unique_ptr<PassPlan> Prepare(
      PassLayout layout, const at::Tensor& inverse_frequency) = 0;

  // rmsnorm(x) * weight; the norm in float32, then cast, then the weight.
  virtual at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight,
                          double eps) = 0;
  // x += delta in place; returns Norm(x).
  virtual at::Tensor AddNorm(at::Tensor& x, const at::Tensor& delta,
                             const at::Tensor& weight, double eps) = 0;
  // In place on qkv [rows, qkv_width]: norms of the query and key heads
  // (weights [dim], or undefined: none), then rope. `angles` are those of the
  // same rows.
  virtual void NormRope(at::Tensor& qkv, const HeadShape& shape,
                        const at::Tensor& q_norm, const at::Tensor& k_norm,
                        const RowAngles& angles, double eps) = 0;
  // silu(first half) * second half: [rows, 2n] -> [rows, n].
  virtual at::Tensor SiluMul(const at::Tensor& gate_up) = 0;
  // Writes keys and values of the segments that stay.
  virtual void WriteCache(int layer, const HeadShape& shape,
                          const PassPlan& plan, const Rows& qkv) = 0;
  // After WriteCache: attention of the rows in `window` over what their
  // segments see, into `out` [rows, heads * dim].
  virtual void Attend(int layer, const HeadShape& shape, const PassPlan& plan,
                      const Rows& qkv, RowWindow window, Rows* out) = 0;

  // A whole layer in one go where that is faster, for understanding rows that
  // are each the next token of a context of their own (row i is segment i):
  // x += delta (undefined: nothing), the layer, and `delta` is what its MLP
  // gives. Returns false, having done nothing, where the caller must compose
  // the layer of the parts above.
  virtual bool DecodeLayer(int layer, const HeadShape& shape,
                           const Expert& expert, const PassPlan& plan,
                           double eps, at::Tensor& x, at::Tensor& delta) {
    return false;
  }
};

std::unique_ptr<Kernels> MakeGenericKernels(const Device& device);
std::unique_ptr<Kernels> MakeCpuKernels();  // float32 only
std::unique_ptr<Kernels> MakeKernels(const Device& device);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_KERNELS_H_
