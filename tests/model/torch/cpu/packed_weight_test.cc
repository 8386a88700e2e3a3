#include "model/torch/cpu/packed_weight.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cooper::torch_model {
namespace {

using packed_gemm::Format;
using packed_gemm::Kernels;

// Of every instruction set that this processor runs.
std::vector<const Kernels*> AllKernels() {
  std::vector<const Kernels*> all;
  for (const Kernels* kernels :
       {packed_gemm::BaselineKernels(), packed_gemm::Avx2Kernels(),
        packed_gemm::Avx512Kernels()}) {
    if (kernels != nullptr) all.push_back(kernels);
  }
  return all;
}

struct Shape {
  int64_t out, in;
};

class PackedWeightTest : public ::testing::TestWithParam<const Kernels*> {};

double RelativeError(const at::Tensor& got, const at::Tensor& want) {
  return ((got - want).abs().max() / want.square().mean().sqrt())
      .item<double>();
}

// Sides around a panel's width, a row block and the depth of a piece.
TEST_P(PackedWeightTest, EveryShapeFormatAndNumberOfRowsGivesTheProduct) {
  for (const Shape& shape : std::vector<Shape>{
           {1, 1}, {7, 3}, {16, 64}, {33, 255}, {96, 384}, {70, 900}}) {
    for (const at::ScalarType type : {at::kBFloat16, at::kHalf, at::kFloat}) {
      const at::Tensor stored = at::randn({shape.out, shape.in}).to(type);
      const PackedWeight weight(stored, *GetParam());
      const at::Tensor exact = stored.to(at::kDouble);
      for (const int64_t rows :
           {1, 2, 3, 5, 6, 7, 8, 12, 13, 25, 49, 50, 300}) {
        const at::Tensor x = at::randn({rows, shape.in});
        const at::Tensor bias = at::randn({shape.out});
        const at::Tensor want =
            at::linear(x.to(at::kDouble), exact, bias.to(at::kDouble));
        EXPECT_LT(RelativeError(weight.Multiply(x, bias), want), 3e-5)
            << shape.out << "x" << shape.in << ", " << rows << " rows, "
            << at::toString(type);
        EXPECT_LT(RelativeError(weight.Multiply(x, at::Tensor()) + bias, want),
                  3e-5);
      }
    }
  }
}

// What makes a decoded token independent of its neighbours.
TEST_P(PackedWeightTest, ARowsResultDoesNotDependOnTheOtherRowsByABit) {
  const PackedWeight weight(at::randn({70, 900}).to(at::kBFloat16),
                            *GetParam());
  const at::Tensor bias = at::randn({70});
  const at::Tensor x = at::randn({700, 900});
  const at::Tensor alone = weight.Multiply(x.narrow(0, 0, 1), bias);
  for (const int64_t rows : {2, 5, 8, 24, 60, 250, 700}) {
    const at::Tensor together = weight.Multiply(x.narrow(0, 0, rows), bias);
    EXPECT_TRUE(together.narrow(0, 0, 1).equal(alone)) << rows << " rows";
  }
}

TEST_P(PackedWeightTest, ValuesAreKeptExactlyInTheFewestBytes) {
  const auto format = [&](const at::Tensor& weight) {
    return PackedWeight(weight, *GetParam()).format();
  };
  const at::Tensor bf16 = at::randn({8, 8}).to(at::kBFloat16);
  EXPECT_EQ(format(bf16), Format::kBf16);
  EXPECT_EQ(format(bf16.to(at::kFloat)), Format::kBf16);
  const at::Tensor f16 = at::full({8, 8}, 1.0 + 1.0 / 1024);
  EXPECT_EQ(format(f16), Format::kF16);
  EXPECT_EQ(format(f16.to(at::kHalf)), Format::kF16);
  EXPECT_EQ(format(at::full({8, 8}, 1.0 + 1.0 / 4096)), Format::kF32);
}

// All bit patterns of finite float16 values, times one.
TEST_P(PackedWeightTest, EveryFloat16ValueIsReadExactly) {
  const at::Tensor bits = at::empty({int64_t{2} * 0x7c00, 1}, at::kHalf);
  auto* data = static_cast<uint16_t*>(bits.data_ptr());
  for (int64_t i = 0; i < 0x7c00; ++i) {
    data[2 * i] = static_cast<uint16_t>(i);
    data[2 * i + 1] = static_cast<uint16_t>(i | 0x8000);
  }
  const PackedWeight weight(bits, *GetParam());
  ASSERT_EQ(weight.format(), Format::kF16);
  const at::Tensor y = weight.Multiply(at::full({1, 1}, 1.0), at::Tensor());
  EXPECT_TRUE(y.view({-1}).equal(bits.to(at::kFloat).view({-1})));
}

TEST_P(PackedWeightTest, RowsOfAWiderMatrixAreRead) {
  const at::Tensor stored = at::randn({40, 50}).to(at::kBFloat16);
  const PackedWeight weight(stored, *GetParam());
  const at::Tensor wide = at::randn({9, 80});
  const at::Tensor x = wide.narrow(1, 10, 50);
  EXPECT_TRUE(weight.Multiply(x, at::Tensor())
                  .equal(weight.Multiply(x.contiguous(), at::Tensor())));
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, PackedWeightTest,
                         ::testing::ValuesIn(AllKernels()),
                         [](const auto& param) {
                           return std::string(param.param->name);
                         });

}  // namespace
}  // namespace cooper::torch_model
