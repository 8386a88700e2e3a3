#include "model/torch/group_norm.h"

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

bool Suits(const Device& device, const at::Tensor& x, int64_t groups) {
  const int64_t channels = x.size(1);
  return device.launcher != nullptr && x.size(0) == 1 &&
         IsPowerOfTwo(channels) && IsPowerOfTwo(groups) &&
         channels >= cuda::kWidthMultiple && channels <= kMostChannels &&
         groups <= channels && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace

at::Tensor GroupNorm(const Device& device, const at::Tensor& x, int64_t groups,
                     const at::Tensor& weight, const at::Tensor& bias,
                     double eps, bool silu) {
  if (!Suits(device, x, groups)) {
    at::Tensor out = at::group_norm(x, groups, weight, bias, eps);
    if (silu) at::silu_(out);
    return out;
  }
  at::Tensor out = at::empty_like(x);
  cuda::GroupNormArgs args;
  args.type = x.scalar_type() == at::kBFloat16 ? cuda::Type::kBFloat16
                                               : cuda::Type::kFloat32;
  args.x = x.const_data_ptr();
  args.weight = weight.const_data_ptr();
  args.bias = bias.const_data_ptr();
  args.out = out.data_ptr();
  args.pixels = x.size(2) * x.size(3);
  args.channels = static_cast<int>(x.size(1));
  args.groups = static_cast<int>(groups);
  args.silu = silu;
  args.eps = static_cast<float>(eps);
  const at::Tensor partial =
      at::empty({args.PartialFloats()}, x.options().dtype(at::kFloat),
                at::MemoryFormat::Contiguous);
  args.partial = partial.data_ptr<float>();
  CheckLaunched(device.launcher->GroupNorm(args, cuda::Stream()), "GroupNorm");
  return out;
}

}  // namespace cooper::torch_model
