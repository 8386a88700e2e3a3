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

}  // namespace
}  // namespace cooper::torch_model
