#ifndef COOPER_MODEL_TORCH_KERNELS_H_
#define COOPER_MODEL_TORCH_KERNELS_H_

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/torch/device.h"
#include "model/torch/kv_cache.h"
#include "model/torch/linear.h"

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

// One segment of a forward pass: a run of rows that belong to one context.
// Rows are kept apart by their kind (understanding, generation); the tokens of
// a latent image are soi, the generation rows, eoi, all others are the
// understanding rows in order.
struct Segment {
  PagedContext* context = nullptr;
  int64_t kv_before = 0;  // tokens of the context that it sees
  int64_t und_begin = 0, und_count = 0;
  int64_t gen_begin = 0, gen_count = 0;
  bool causal = false;  // else every row sees every row
  bool write = false;   // its keys and values stay in the context

  int64_t tokens() const { return und_count + gen_count; }
  // Place of an understanding row within the segment.
  int64_t UndToken(int64_t row) const {
    return gen_count > 0 && row > 0 ? row + gen_count : row;
  }
  int64_t GenToken(int64_t row) const { return row + 1; }
};

// Rows of both kinds; a kind without rows is a tensor of zero rows.
struct Rows {
  at::Tensor und;  // [und rows, width]
  at::Tensor gen;  // [gen rows, width]
};

// Rows [begin, end) of one kind.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t count() const { return end - begin; }
  // Those of `rows` rows from `first` on that are in it too.
  RowRange Within(int64_t first, int64_t rows) const {
    const RowRange common = {std::max(begin, first),
                             std::min(end, first + rows)};
    return common.begin < common.end ? common : RowRange{first, first};
  }
};

// A part of a pass's rows.
struct RowWindow {
  RowRange und, gen;
};

// One expert's part of a layer.
struct Expert {
  at::Tensor input_norm, post_norm;  // [hidden]
  at::Tensor q_norm, k_norm;         // [dim]; undefined without qk_norm
  Linear qkv, out, gate_up, down;
};

class Kernels {
 public:
  virtual ~Kernels() = default;

  // rmsnorm(x) * weight; the norm in float32, then cast, then the weight.
  virtual at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight,
                          double eps) = 0;
  // x += delta in place; returns Norm(x).
  virtual at::Tensor AddNorm(at::Tensor& x, const at::Tensor& delta,
                             const at::Tensor& weight, double eps) = 0;
  // In place on qkv [rows, qkv_width]: norms of the query and key heads
  // (weights [dim], or undefined: none), then rope. cos and sin are
  // [rows, dim / 2] float32. `wide`: norms and rope in float32 (generation).
  virtual void NormRope(at::Tensor& qkv, const HeadShape& shape,
                        const at::Tensor& q_norm, const at::Tensor& k_norm,
                        const at::Tensor& cos, const at::Tensor& sin,
                        double eps, bool wide) = 0;
  // silu(first half) * second half: [rows, 2n] -> [rows, n].
  virtual at::Tensor SiluMul(const at::Tensor& gate_up) = 0;
  // Writes keys and values of the segments that stay.
  virtual void WriteCache(int layer, const HeadShape& shape,
                          const std::vector<Segment>& segments,
                          const Rows& qkv) = 0;
  // After WriteCache: attention of the rows in `window` over what their
  // segments see, into `out` [rows, heads * dim].
  virtual void Attend(int layer, const HeadShape& shape,
                      const std::vector<Segment>& segments, const Rows& qkv,
                      RowWindow window, Rows* out) = 0;

  // A whole layer in one go where that is faster, for understanding rows that
  // are each the next token of a context of their own (row i is segment i):
  // x += delta (undefined: nothing), the layer, and `delta` is what its MLP
  // gives. Returns false, having done nothing, where the caller must compose
  // the layer of the parts above.
  virtual bool DecodeLayer(int layer, const HeadShape& shape,
                           const Expert& expert,
                           const std::vector<Segment>& segments,
                           const at::Tensor& cos, const at::Tensor& sin,
                           double eps, at::Tensor& x, at::Tensor& delta) {
    return false;
  }
};

std::unique_ptr<Kernels> MakeGenericKernels();
std::unique_ptr<Kernels> MakeCpuKernels();  // float32 only
std::unique_ptr<Kernels> MakeKernels(const Device& device);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_KERNELS_H_
