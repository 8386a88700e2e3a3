#include "model/torch/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>

#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

at::Tensor BFloat16Values(int64_t out, int64_t in) {
  return at::randn({out, in}).mul_(0.05).to(at::kBFloat16);
}

double RelativeError(const at::Tensor& got, const at::Tensor& want) {
  return ((got - want).abs().max() / want.square().mean().sqrt())
      .item<double>();
}

TEST(LinearTest, ABFloat16MatrixIsPackedAndComputedInFloat32) {
  const at::Tensor weight = BFloat16Values(70, 45);
  const at::Tensor bias = at::randn({70}).to(at::kBFloat16);
  const Linear linear(weight, bias, Device());
  EXPECT_TRUE(linear.packed());
  EXPECT_EQ(linear.weight_bytes(), 70 * 45 * 2);
  for (const int64_t rows : {1, 2, 8, 33}) {
    const at::Tensor x = at::randn({rows, 45});
    EXPECT_LT(RelativeError(linear(x), at::linear(x, weight.to(at::kFloat),
                                                  bias.to(at::kFloat))),
              5e-6);
  }
}

TEST(LinearTest, AFloat32MatrixIsNotRounded) {
  const at::Tensor weight = at::randn({20, 30});
  const Linear linear(weight, at::Tensor(), Device());
  EXPECT_FALSE(linear.packed());
  const at::Tensor x = at::randn({4, 30});
  EXPECT_LT(RelativeError(linear(x), at::linear(x, weight)), 1e-6);
}

TEST(LinearTest, ValuesThatFloat16CannotHoldAreNotPacked) {
  at::Tensor large = BFloat16Values(8, 8);
  large[3][3] = 70000.0;
  EXPECT_FALSE(FitsHalf(large));
  // Below float16's normal range throughout: the loss would be relative.
  EXPECT_FALSE(FitsHalf(BFloat16Values(8, 8) * 1e-5));
}

TEST(LinearTest, NoRowsGiveNoRows) {
  const Linear linear(BFloat16Values(6, 5), at::Tensor(), Device());
  EXPECT_EQ(linear(at::randn({0, 5})).sizes(), (std::vector<int64_t>{0, 6}));
}

}  // namespace
}  // namespace cooper::torch_model
