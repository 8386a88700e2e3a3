#include "model/torch/kernels_generic.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "model/torch/attention.h"
#include "model/torch/kernels_gpu.h"

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

at::Tensor QueriesOf(const at::Tensor& qkv, const HeadShape& shape) {
  return qkv.narrow(1, 0, shape.heads * shape.dim)
      .view({qkv.size(0), shape.heads, shape.dim});
}
at::Tensor KeysOf(const at::Tensor& qkv, const HeadShape& shape) {
  return qkv.narrow(1, shape.heads * shape.dim, shape.kv_heads * shape.dim)
      .view({qkv.size(0), shape.kv_heads, shape.dim});
}
at::Tensor ValuesOf(const at::Tensor& qkv, const HeadShape& shape) {
  return qkv
      .narrow(1, (shape.heads + shape.kv_heads) * shape.dim,
              shape.kv_heads * shape.dim)
      .view({qkv.size(0), shape.kv_heads, shape.dim});
}

at::Tensor Joined(const std::vector<at::Tensor>& parts) {
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

bool Touches(const AttentionCall& call, const RowWindow& window) {
  return std::any_of(call.runs.begin(), call.runs.end(),
                     [&](const RowRun& run) {
                       const RowRange& rows = run.gen ? window.gen : window.und;
                       return rows.Within(run.begin, run.count).count() > 0;
                     });
}

// The cached keys (or values) of each segment, each followed by those of its
// rows that do not stay.
at::Tensor WithOwn(const AttentionCall& call,
                   const std::vector<Segment>& segments,
                   const at::Tensor& cached, const at::Tensor& und,
                   const at::Tensor& gen) {
  std::vector<at::Tensor> parts;
  int64_t first = 0;
  for (const size_t index : call.segments) {
    const Segment& segment = segments[index];
    parts.push_back(cached.narrow(0, first, segment.cached()));
    first += segment.cached();
    if (segment.write) continue;
    parts.push_back(und.narrow(0, segment.und_begin, segment.und_count));
    parts.push_back(gen.narrow(0, segment.gen_begin, segment.gen_count));
  }
  return at::cat(parts);
}

}  // namespace

std::unique_ptr<PassPlan> GenericKernels::Prepare(
    PassLayout layout, const at::Tensor& inverse_frequency) {
  return GenericPlan::Make(std::move(layout), inverse_frequency, device_);
}

at::Tensor GenericKernels::Norm(const at::Tensor& x, const at::Tensor& weight,
                                double eps) {
  return NormOf(x, weight, eps);
}

at::Tensor GenericKernels::AddNorm(at::Tensor& x, const at::Tensor& delta,
                                   const at::Tensor& weight, double eps) {
  x.add_(delta);
  return NormOf(x, weight, eps);
}

void GenericKernels::NormRope(at::Tensor& qkv, const HeadShape& shape,
                              const at::Tensor& q_norm,
                              const at::Tensor& k_norm, const RowAngles& angles,
                              double eps) {
  const int64_t rows = qkv.size(0);
  const auto turn = [&](int64_t first, int64_t heads,
                        const at::Tensor& weight) {
    at::Tensor part = qkv.narrow(1, first * shape.dim, heads * shape.dim)
                          .view({rows, heads, shape.dim});
    const auto turned = [&](at::ScalarType maths, const at::Tensor& cos,
                            const at::Tensor& sin) {
      at::Tensor x = part.to(maths);
      if (weight.defined()) x = NormOf(x, weight.to(maths), eps);
      return Rope(x, cos, sin);
    };
    const auto wide = [&] {
      return turned(at::kFloat, angles.cos, angles.sin);
    };
    const auto narrow = [&] {
      return turned(part.scalar_type(), angles.narrow_cos, angles.narrow_sin);
    };
    if (!angles.narrow_cos.defined() || angles.all_generation) {
      part.copy_(wide());
    } else if (angles.generation.defined()) {
      part.copy_(at::where(angles.generation, wide().to(part.scalar_type()),
                           narrow()));
    } else {
      part.copy_(narrow());
    }
  };
  turn(0, shape.heads, q_norm);
  turn(shape.heads, shape.kv_heads, k_norm);
}

at::Tensor GenericKernels::SiluMul(const at::Tensor& gate_up) {
  const int64_t half = gate_up.size(1) / 2;
  return at::silu(gate_up.narrow(1, 0, half)) * gate_up.narrow(1, half, half);
}

void GenericKernels::WriteCache(int layer, const HeadShape& shape,
                                const PassPlan& plan, const Rows& qkv) {
  if (plan.segments().empty()) return;
  const auto& own = static_cast<const GenericPlan&>(plan);
  const KvPool& pool = *plan.segments()[0].context->pool();
  at::Tensor keys = pool.keys(layer);
  at::Tensor values = pool.values(layer);
  const auto write = [&](const CacheWrites& writes, const at::Tensor& all) {
    if (writes.slots.size(0) == 0) return;
    const at::Tensor rows = writes.all ? all : all.index_select(0, writes.rows);
    keys.index_copy_(0, writes.slots, KeysOf(rows, shape));
    values.index_copy_(0, writes.slots, ValuesOf(rows, shape));
  };
  write(own.und_writes(), qkv.und);
  write(own.gen_writes(), qkv.gen);
}

void GenericKernels::Attend(int layer, const HeadShape& shape,
                            const PassPlan& plan, const Rows& qkv,
                            RowWindow window, Rows* out) {
  for (const AttentionCall& call :
       static_cast<const GenericPlan&>(plan).calls()) {
    if (Touches(call, window)) {
      AttendCall(layer, shape, plan, call, qkv, window, out);
    }
  }
}

void GenericKernels::AttendCall(int layer, const HeadShape& shape,
                                const PassPlan& plan, const AttentionCall& call,
                                const Rows& qkv, const RowWindow& window,
                                Rows* out) {
  const at::Tensor result = Run(call, layer, shape, plan.segments(), qkv)
                                .reshape({-1, shape.heads * shape.dim});
  for (const RowRun& run : call.runs) {
    at::Tensor& all = run.gen ? out->gen : out->und;
    const RowRange rows =
        (run.gen ? window.gen : window.und).Within(run.begin, run.count);
    if (rows.count() == 0) continue;
    if (rows.count() == all.size(0) && rows.count() == result.size(0)) {
      all = result;
      continue;
    }
    all.narrow(0, rows.begin, rows.count())
        .copy_(
            result.narrow(0, run.place + rows.begin - run.begin, rows.count()));
  }
}

at::Tensor GenericKernels::Attention(const at::Tensor& query,
                                     const at::Tensor& keys,
                                     const at::Tensor& values,
                                     const SequenceLengths& lengths) {
  return AttendSequences(query, keys, values, lengths);
}

at::Tensor GenericKernels::Run(const AttentionCall& call, int layer,
                               const HeadShape& shape,
                               const std::vector<Segment>& segments,
                               const Rows& qkv) {
  std::vector<at::Tensor> queries;
  queries.reserve(call.runs.size());
  for (const RowRun& run : call.runs) {
    queries.push_back(QueriesOf(run.gen ? qkv.gen : qkv.und, shape)
                          .narrow(0, run.begin, run.count));
  }
  const KvPool& pool = *segments[call.segments[0]].context->pool();
  at::Tensor keys = pool.keys(layer).index_select(0, call.slots);
  at::Tensor values = pool.values(layer).index_select(0, call.slots);
  if (call.own_keys) {
    keys = WithOwn(call, segments, keys, KeysOf(qkv.und, shape),
                   KeysOf(qkv.gen, shape));
    values = WithOwn(call, segments, values, ValuesOf(qkv.und, shape),
                     ValuesOf(qkv.gen, shape));
  }
  return Attention(Joined(queries), keys, values, call.lengths);
}

std::unique_ptr<Kernels> MakeGenericKernels(const Device& device) {
  return std::make_unique<GenericKernels>(device);
}

std::unique_ptr<Kernels> MakeKernels(const Device& device) {
  if (device.fused_cpu()) return MakeCpuKernels();
  if (device.launcher != nullptr) return std::make_unique<GpuKernels>(device);
  return MakeGenericKernels(device);
}

}  // namespace cooper::torch_model
