// The autoencoder's kernels of a GPU, under the emulator, against libtorch's
// operators.

#include "model/torch/group_norm.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/randn.h>

#include "tests/cuda/emulated_launcher.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

constexpr double kEps = 1e-6;

Device Emulated() {
  Device device;
  device.launcher = &cuda::EmulatedLauncher();
  return device;
}

at::Tensor Image(int64_t channels, int64_t height, int64_t width) {
  return (at::randn({1, channels, height, width}) + 0.5)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

TEST(GroupNormTest, IsThatOfLibtorch) {
  at::manual_seed(1);
  // The last two are left to libtorch: not a power of two, not channels last.
  const at::Tensor images[] = {Image(64, 7, 9), Image(32, 2, 3),
                               Image(96, 5, 5), Image(64, 8, 4).contiguous()};
  for (const at::Tensor& image : images) {
    const int64_t channels = image.size(1);
    const at::Tensor weight = at::randn({channels});
    const at::Tensor bias = at::randn({channels});
    for (const bool silu : {false, true}) {
      for (const at::Tensor& own : {at::Tensor(), at::randn({channels})}) {
        const auto norm = [&](const Device& device) {
          return GroupNorm(device, {image.clone(), own}, 32, weight, bias, kEps,
                           silu);
        };
        EXPECT_TRUE(at::allclose(norm(Emulated()), norm(Device()), 1e-4, 1e-4))
            << channels << " channels";
      }
    }
  }
}

TEST(AddBiasTest, IsThatOfLibtorch) {
  for (const at::Tensor& image : {Image(24, 3, 5), Image(6, 3, 5)}) {
    const at::Tensor bias = at::randn({image.size(1)});
    for (const at::Tensor& residual :
         {at::Tensor(), Image(image.size(1), 3, 5)}) {
      const auto add = [&](const Device& device) {
        return AddBias(device, {image.clone(), bias}, residual);
      };
      EXPECT_TRUE(add(Emulated()).equal(add(Device())));
    }
  }
}

}  // namespace
}  // namespace cooper::torch_model
