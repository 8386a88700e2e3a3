#include "model/torch/group_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/silu.h>

#include <bit>
#include <cstdint>

#include "model/torch/kernels_gpu.h"

namespace cooper::torch_model {
namespace {

constexpr int64_t kMostChannels = 1024;

bool IsPowerOfTwo(int64_t x) {
  return std::has_single_bit(static_cast<uint64_t>(x));
}

bool IsChannelsLast(const at::Tensor& x) {
  return x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

bool Suits(const Device& device, const at::Tensor& x) {
  return device.launcher != nullptr && x.size(0) == 1 &&
         x.size(1) % cuda::kWidthMultiple == 0 && IsChannelsLast(x);
}

cuda::Type TypeOf(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 ? cuda::Type::kBFloat16
                                          : cuda::Type::kFloat32;
}

const void* DataOf(const at::Tensor& x) {
  return x.defined() ? x.const_data_ptr() : nullptr;
}

}  // namespace

at::Tensor GroupNorm(const Device& device, const Unbiased& x, int64_t groups,
                     const at::Tensor& weight, const at::Tensor& bias,
                     double eps, bool silu) {
  if (!Suits(device, x.x) || !IsPowerOfTwo(x.x.size(1)) ||
      x.x.size(1) > kMostChannels || !IsPowerOfTwo(groups)) {
    at::Tensor out = at::group_norm(AddBias(device, x, at::Tensor()), groups,
                                    weight, bias, eps);
    if (silu) at::silu_(out);
    return out;
  }
  at::Tensor out = at::empty_like(x.x);
  cuda::GroupNormArgs args;
  args.type = TypeOf(x.x);
  args.x = x.x.const_data_ptr();
  args.x_bias = DataOf(x.bias);
  args.weight = weight.const_data_ptr();
  args.bias = bias.const_data_ptr();
  args.out = out.data_ptr();
  args.pixels = x.x.size(2) * x.x.size(3);
  args.channels = static_cast<int>(x.x.size(1));
  args.groups = static_cast<int>(groups);
  args.silu = silu;
  args.eps = static_cast<float>(eps);
  const at::Tensor partial =
      at::empty({args.PartialFloats()}, x.x.options().dtype(at::kFloat),
                at::MemoryFormat::Contiguous);
  args.partial = partial.data_ptr<float>();
  CheckLaunched(device.launcher->GroupNorm(args, cuda::Stream()), "GroupNorm");
  return out;
}

at::Tensor AddBias(const Device& device, const Unbiased& x,
                   const at::Tensor& residual) {
  const bool with_residual = residual.defined();
  if (!Suits(device, x.x) || (with_residual && !IsChannelsLast(residual)) ||
      !x.bias.defined()) {
    at::Tensor out = x.x;
    if (x.bias.defined()) {
      out = out.add_(x.bias.view({1, x.bias.size(0), 1, 1}));
    }
    return with_residual ? out.add_(residual) : out;
  }
  cuda::AddBiasArgs args;
  args.type = TypeOf(x.x);
  args.x = x.x.const_data_ptr();
  args.bias = x.bias.const_data_ptr();
  args.residual = DataOf(residual);
  args.out = x.x.data_ptr();
  args.pixels = x.x.size(2) * x.x.size(3);
  args.channels = static_cast<int>(x.x.size(1));
  CheckLaunched(device.launcher->AddBias(args, cuda::Stream()), "AddBias");
  return x.x;
}

}  // namespace cooper::torch_model
