#include "model/torch/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>

#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

TEST(LinearTest, OnACpuTheWeightsKeepTheirTwoBytes) {
  const at::Tensor weight = at::randn({96, 45}).to(at::kBFloat16);
  const at::Tensor bias = at::randn({96}).to(at::kBFloat16);
  const Linear linear(weight, bias, Device());
  ASSERT_NE(linear.packed(), nullptr);
  EXPECT_EQ(linear.weight_bytes(), 96 * 45 * 2);
  const at::Tensor x = at::randn({5, 45});
  EXPECT_TRUE(linear(x).allclose(
      at::linear(x, weight.to(at::kFloat), bias.to(at::kFloat)), 1e-5, 1e-5));
}

TEST(LinearTest, NoRowsGiveNoRows) {
  const Linear linear(at::randn({6, 5}), at::Tensor(), Device());
  EXPECT_EQ(linear(at::randn({0, 5})).sizes(), (std::vector<int64_t>{0, 6}));
}

TEST(LinearTest, InBFloat16ItIsAPlainMatrix) {
  Device device;
  device.dtype = at::kBFloat16;
  const Linear linear(at::randn({6, 5}), at::randn({6}), device);
  EXPECT_EQ(linear.packed(), nullptr);
  EXPECT_EQ(linear(at::randn({3, 5}).to(at::kBFloat16)).scalar_type(),
            at::kBFloat16);
}

// So that a token does not depend on how many others are decoded with it.
TEST(LinearTest, DeterministicARowHasTheSameBitsBesideAnyOthers) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    Device device;
    device.dtype = dtype;
    device.generic_kernels = true;
    device.deterministic = true;
    const Linear linear(at::randn({96, 200}), at::randn({96}), device);
    const Linear plain = [&] {
      device.deterministic = false;
      return Linear(linear.weight(), linear.bias(), device);
    }();
    const at::Tensor x = at::randn({131, 200}).to(dtype);
    const at::Tensor all = linear(x);
    ASSERT_EQ(all.sizes(), (std::vector<int64_t>{131, 96}));
    EXPECT_TRUE(all.allclose(plain(x), 1e-2, 1e-2));
    for (const int64_t row : {0, 1, 63, 64, 127, 128, 130}) {
      EXPECT_TRUE(linear(x.narrow(0, row, 1)).equal(all.narrow(0, row, 1)))
          << "row " << row;
    }
  }
}

}  // namespace
}  // namespace cooper::torch_model
