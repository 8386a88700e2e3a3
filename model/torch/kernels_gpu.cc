#include "model/torch/kernels_gpu.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/util/Exception.h>

#include <cmath>

#include "model/torch/attention.h"

namespace cooper::torch_model {
namespace {

// All of the network runs on the default stream.
constexpr cuda::Stream kStream;

bool WidthSuits(int64_t width) { return width % cuda::kWidthMultiple == 0; }

bool Suits(const HeadShape& shape) {
  return shape.dim % cuda::kHeadMultiple == 0 &&
         shape.dim <= cuda::kMostHeadDim &&
         WidthSuits(shape.kv_heads * shape.dim) &&
         WidthSuits(shape.heads * shape.dim);
}

const void* DataOf(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}

const int64_t* IntegersOf(const at::Tensor& tensor) {
  return tensor.const_data_ptr<int64_t>();
}

}  // namespace

void CheckLaunched(int error, const char* kernel) {
  TORCH_CHECK(error == 0, "the kernel ", kernel,
              " could not be started: CUDA error ", error);
}

GpuKernels::GpuKernels(const Device& device)
    : GenericKernels(device), launcher_(*device.launcher), long_rows_(device) {}

cuda::Type GpuKernels::type() const {
  return device().dtype == at::kBFloat16 ? cuda::Type::kBFloat16
                                         : cuda::Type::kFloat32;
}

at::Tensor GpuKernels::RunNorm(const at::Tensor& x, const at::Tensor& delta,
                               const at::Tensor& weight, double eps) {
  cuda::AddNormArgs args;
  args.type = type();
  args.x = x.data_ptr();
  args.delta = DataOf(delta);
  args.weight = weight.const_data_ptr();
  at::Tensor out = at::empty_like(x);
  args.out = out.data_ptr();
  args.rows = x.size(0);
  args.width = x.size(1);
  args.eps = static_cast<float>(eps);
  CheckLaunched(launcher_.AddNorm(args, kStream), "AddNorm");
  return out;
}

at::Tensor GpuKernels::Norm(const at::Tensor& x, const at::Tensor& weight,
                            double eps) {
  const bool suits = WidthSuits(x.size(1)) &&
                     x.size(1) <= cuda::kMostNormWidth && x.is_contiguous();
  if (!suits) return GenericKernels::Norm(x, weight, eps);
  return RunNorm(x, at::Tensor(), weight, eps);
}

at::Tensor GpuKernels::AddNorm(at::Tensor& x, const at::Tensor& delta,
                               const at::Tensor& weight, double eps) {
  const bool suits = WidthSuits(x.size(1)) &&
                     x.size(1) <= cuda::kMostNormWidth && x.is_contiguous() &&
                     delta.is_contiguous();
  if (!suits) return GenericKernels::AddNorm(x, delta, weight, eps);
  return RunNorm(x, delta, weight, eps);
}

void GpuKernels::NormRope(at::Tensor& qkv, const HeadShape& shape,
                          const at::Tensor& q_norm, const at::Tensor& k_norm,
                          const RowAngles& angles, double eps) {
  if (!Suits(shape)) {
    GenericKernels::NormRope(qkv, shape, q_norm, k_norm, angles, eps);
    return;
  }
  const at::Tensor cos = angles.cos.contiguous();
  const at::Tensor sin = angles.sin.contiguous();
  cuda::NormRopeArgs args;
  args.type = type();
  args.qkv = qkv.data_ptr();
  args.q_norm = DataOf(q_norm);
  args.k_norm = DataOf(k_norm);
  args.cos = cos.const_data_ptr<float>();
  args.sin = sin.const_data_ptr<float>();
  args.all_wide = angles.all_generation;
  if (angles.generation.defined() && !angles.all_generation) {
    args.wide = angles.generation.const_data_ptr<bool>();
  }
  args.rows = qkv.size(0);
  args.heads = static_cast<int>(shape.heads);
  args.kv_heads = static_cast<int>(shape.kv_heads);
  args.dim = static_cast<int>(shape.dim);
  args.eps = static_cast<float>(eps);
  CheckLaunched(launcher_.NormRope(args, kStream), "NormRope");
}

at::Tensor GpuKernels::SiluMul(const at::Tensor& gate_up) {
  const int64_t width = gate_up.size(1) / 2;
  if (!WidthSuits(width)) return GenericKernels::SiluMul(gate_up);
  at::Tensor out = at::empty({gate_up.size(0), width}, gate_up.options());
  cuda::SiluMulArgs args;
  args.type = type();
  args.gate_up = gate_up.const_data_ptr();
  args.out = out.data_ptr();
  args.rows = gate_up.size(0);
  args.width = width;
  CheckLaunched(launcher_.SiluMul(args, kStream), "SiluMul");
  return out;
}

void GpuKernels::WriteCache(int layer, const HeadShape& shape,
                            const PassPlan& plan, const Rows& qkv) {
  if (plan.segments().empty()) return;
  if (!Suits(shape)) {
    GenericKernels::WriteCache(layer, shape, plan, qkv);
    return;
  }
  const auto& own = static_cast<const GenericPlan&>(plan);
  const KvPool& pool = *plan.segments()[0].context->pool();
  const auto write = [&](const CacheWrites& writes, const at::Tensor& rows) {
    cuda::WriteCacheArgs args;
    args.type = type();
    args.qkv = rows.const_data_ptr();
    args.rows = writes.all ? nullptr : IntegersOf(writes.rows);
    args.slots = IntegersOf(writes.slots);
    args.keys = pool.keys(layer).data_ptr();
    args.values = pool.values(layer).data_ptr();
    args.count = writes.slots.size(0);
    args.heads = static_cast<int>(shape.heads);
    args.kv_heads = static_cast<int>(shape.kv_heads);
    args.dim = static_cast<int>(shape.dim);
    CheckLaunched(launcher_.WriteCache(args, kStream), "WriteCache");
  };
  write(own.und_writes(), qkv.und);
  write(own.gen_writes(), qkv.gen);
}

void GpuKernels::AttendCall(int layer, const HeadShape& shape,
                            const PassPlan& plan, const AttentionCall& call,
                            const Rows& qkv, const RowWindow& window,
                            Rows* out) {
  if (!call.paged.rows.defined()) {
    GenericKernels::AttendCall(layer, shape, plan, call, qkv, window, out);
    return;
  }
  TORCH_CHECK(shape.dim <= cuda::kMostHeadDim, "heads of ", shape.dim,
              " elements, more than ", cuda::kMostHeadDim);
  const KvPool& pool = *plan.segments()[call.segments[0]].context->pool();
  cuda::PagedDecodeArgs args;
  static_assert(cuda::PagedDecodeArgs::kPageTokens == KvPool::kPageTokens);
  args.type = type();
  args.qkv = qkv.und.const_data_ptr();
  args.rows = IntegersOf(call.paged.rows);
  args.pages = IntegersOf(call.paged.pages);
  args.lengths = IntegersOf(call.paged.lengths);
  args.keys = pool.keys(layer).const_data_ptr();
  args.values = pool.values(layer).const_data_ptr();
  args.out = out->und.data_ptr();
  args.contexts = call.paged.pages.size(0);
  args.most_pages = call.paged.pages.size(1);
  args.heads = static_cast<int>(shape.heads);
  args.kv_heads = static_cast<int>(shape.kv_heads);
  args.dim = static_cast<int>(shape.dim);
  args.scale =
      static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.dim)));
  const at::Tensor partial =
      at::empty({args.PartialFloats()}, qkv.und.options().dtype(at::kFloat));
  args.partial = partial.data_ptr<float>();
  CheckLaunched(launcher_.PagedDecode(args, kStream), "PagedDecode");
}

at::Tensor GpuKernels::Attention(const at::Tensor& query,
                                 const at::Tensor& keys,
                                 const at::Tensor& values,
                                 const SequenceLengths& lengths) {
  if (long_rows_.Takes(query, keys, lengths)) {
    return long_rows_.Attend(query, keys, values, lengths);
  }
  return AttendSequences(query, keys, values, lengths);
}

}  // namespace cooper::torch_model
