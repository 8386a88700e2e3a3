#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "model/torch/kernels.h"

namespace cooper::torch_model {
namespace {

at::Tensor NormOf(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor normed =
      wide * at::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + eps);
  return normed.to(x.scalar_type()) * weight;
}

// x [rows, heads, dim]; cos, sin [rows, dim / 2].
at::Tensor Rope(const at::Tensor& x, const at::Tensor& cos,
                const at::Tensor& sin) {
  const int64_t half = x.size(2) / 2;
  const at::Tensor a = x.narrow(2, 0, half);
  const at::Tensor b = x.narrow(2, half, half);
  const at::Tensor c = cos.unsqueeze(1);
  const at::Tensor s = sin.unsqueeze(1);
  return at::cat({a * c - b * s, b * c + a * s}, 2);
}

// Slots of the segment's tokens in the order of its rows: understanding rows,
// then generation rows.
at::Tensor WriteSlots(const Segment& segment, const at::Device& device) {
  std::vector<int64_t> slots;
  slots.reserve(segment.tokens());
  for (int64_t row = 0; row < segment.und_count; ++row) {
    slots.push_back(
        segment.context->Slot(segment.kv_before + segment.UndToken(row)));
  }
  for (int64_t row = 0; row < segment.gen_count; ++row) {
    slots.push_back(
        segment.context->Slot(segment.kv_before + segment.GenToken(row)));
  }
  return at::tensor(slots, at::kLong).to(device);
}

class GenericKernels final : public Kernels {
 public:
  at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight,
                  double eps) override {
    return NormOf(x, weight, eps);
  }

  at::Tensor AddNorm(at::Tensor& x, const at::Tensor& delta,
                     const at::Tensor& weight, double eps) override {
    x.add_(delta);
    return NormOf(x, weight, eps);
  }

  void NormRope(at::Tensor& qkv, const HeadShape& shape,
                const at::Tensor& q_norm, const at::Tensor& k_norm,
                const at::Tensor& cos, const at::Tensor& sin, double eps,
                bool wide) override {
    const int64_t rows = qkv.size(0);
    const at::ScalarType dtype = qkv.scalar_type();
    // Angles are rounded to the sequence's dtype even where the maths is wide.
    const at::ScalarType maths = wide ? at::kFloat : dtype;
    const at::Tensor c = cos.to(dtype).to(maths);
    const at::Tensor s = sin.to(dtype).to(maths);
    const auto turn = [&](int64_t first, int64_t heads,
                          const at::Tensor& weight) {
      at::Tensor part = qkv.narrow(1, first * shape.dim, heads * shape.dim)
                            .view({rows, heads, shape.dim});
      at::Tensor x = part.to(maths);
      if (weight.defined()) x = NormOf(x, weight.to(maths), eps);
      part.copy_(Rope(x, c, s));
    };
    turn(0, shape.heads, q_norm);
    turn(shape.heads, shape.kv_heads, k_norm);
  }

  at::Tensor SiluMul(const at::Tensor& gate_up) override {
    const int64_t half = gate_up.size(1) / 2;
    return at::silu(gate_up.narrow(1, 0, half)) * gate_up.narrow(1, half, half);
  }

  void WriteCache(int layer, const HeadShape& shape,
                  const std::vector<Segment>& segments,
                  const Rows& qkv) override {
    for (const Segment& segment : segments) {
      if (segment.write) Write(layer, shape, segment, Own(segment, qkv));
    }
  }

  void Attend(int layer, const HeadShape& shape,
              const std::vector<Segment>& segments, const Rows& qkv,
              RowWindow window, Rows* out) override {
    for (const Segment& segment : segments) {
      const RowRange und =
          window.und.Within(segment.und_begin, segment.und_count);
      const RowRange gen =
          window.gen.Within(segment.gen_begin, segment.gen_count);
      if (und.count() + gen.count() == 0) continue;
      const at::Tensor result =
          AttendOne(layer, shape, segment, Own(segment, qkv));
      const auto place = [&](const RowRange& rows, int64_t first,
                             at::Tensor& all) {
        if (rows.count() == 0) return;
        all.narrow(0, rows.begin, rows.count())
            .copy_(result.narrow(0, first, rows.count()));
      };
      place(und, und.begin - segment.und_begin, out->und);
      place(gen, segment.und_count + gen.begin - segment.gen_begin, out->gen);
    }
  }

 private:
  // The segment's rows of qkv: understanding rows, then generation rows.
  static at::Tensor Own(const Segment& segment, const Rows& qkv) {
    at::Tensor und = qkv.und.narrow(0, segment.und_begin, segment.und_count);
    if (segment.gen_count == 0) return und;
    const at::Tensor gen =
        qkv.gen.narrow(0, segment.gen_begin, segment.gen_count);
    return segment.und_count == 0 ? gen : at::cat({und, gen}, 0);
  }

  static at::Tensor KeysOf(const at::Tensor& own, const HeadShape& shape) {
    return own.narrow(1, shape.heads * shape.dim, shape.kv_heads * shape.dim)
        .reshape({own.size(0), shape.kv_heads, shape.dim});
  }
  static at::Tensor ValuesOf(const at::Tensor& own, const HeadShape& shape) {
    return own
        .narrow(1, (shape.heads + shape.kv_heads) * shape.dim,
                shape.kv_heads * shape.dim)
        .reshape({own.size(0), shape.kv_heads, shape.dim});
  }

  static void Write(int layer, const HeadShape& shape, const Segment& segment,
                    const at::Tensor& own) {
    const KvPool& pool = *segment.context->pool();
    const at::Tensor slots = WriteSlots(segment, own.device());
    at::Tensor keys = pool.keys(layer);
    at::Tensor values = pool.values(layer);
    keys.index_copy_(0, slots, KeysOf(own, shape));
    values.index_copy_(0, slots, ValuesOf(own, shape));
  }

  static at::Tensor AttendOne(int layer, const HeadShape& shape,
                              const Segment& segment, const at::Tensor& own) {
    const KvPool& pool = *segment.context->pool();
    const int64_t n = own.size(0);
    const int64_t cached =
        segment.kv_before + (segment.write ? segment.tokens() : 0);
    const at::Tensor slots = segment.context->Slots(cached);
    at::Tensor keys = pool.keys(layer).index_select(0, slots);
    at::Tensor values = pool.values(layer).index_select(0, slots);
    if (!segment.write) {
      keys = at::cat({keys, KeysOf(own, shape)}, 0);
      values = at::cat({values, ValuesOf(own, shape)}, 0);
    }
    const int64_t group = shape.heads / shape.kv_heads;
    // Key/value heads as the batch, so that none is repeated.
    const at::Tensor query = own.narrow(1, 0, shape.heads * shape.dim)
                                 .reshape({n, shape.kv_heads, group, shape.dim})
                                 .permute({1, 2, 0, 3});
    const auto spread = [&](const at::Tensor& x) {
      return x.permute({1, 0, 2}).unsqueeze(1).expand(
          {shape.kv_heads, group, x.size(0), shape.dim});
    };
    std::optional<at::Tensor> mask;
    if (segment.causal && n > 1) {
      const auto options = own.options().dtype(at::kLong);
      mask = at::arange(keys.size(0), options).unsqueeze(0) <=
             at::arange(n, options).unsqueeze(1) + segment.kv_before;
    }
    return at::scaled_dot_product_attention(
               query, spread(keys), spread(values), mask, 0.0,
               /*is_causal=*/false,
               1.0 / std::sqrt(static_cast<double>(shape.dim)))
        .permute({2, 0, 1, 3})
        .reshape({n, shape.heads * shape.dim});
  }
};

}  // namespace

std::unique_ptr<Kernels> MakeGenericKernels() {
  return std::make_unique<GenericKernels>();
}

std::unique_ptr<Kernels> MakeKernels(const Device& device) {
  if (device.fused_cpu()) return MakeCpuKernels();
  return MakeGenericKernels();
}

}  // namespace cooper::torch_model
