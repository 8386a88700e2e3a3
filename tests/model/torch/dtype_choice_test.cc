#include "model/torch/dtype_choice.h"

#include <gtest/gtest.h>

namespace cooper::torch_model {
namespace {

TEST(DtypeChoiceTest, BFloat16HasToBeNoSlowerAtOneRowAndAtMany) {
  const ProductSeconds float32{.one_row = 1.0, .many_rows = 10.0};
  EXPECT_EQ(FasterType(float32, {.one_row = 0.9, .many_rows = 5.0}),
            at::kBFloat16);
  EXPECT_EQ(FasterType(float32, {.one_row = 1.0, .many_rows = 10.0}),
            at::kBFloat16);
  EXPECT_EQ(FasterType(float32, {.one_row = 2.0, .many_rows = 5.0}),
            at::kFloat);
  EXPECT_EQ(FasterType(float32, {.one_row = 0.9, .many_rows = 11.0}),
            at::kFloat);
}

TEST(DtypeChoiceTest, WithoutBFloat16ArithmeticItIsFloat32) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) {
    GTEST_SKIP() << "this processor has bfloat16 arithmetic: what is faster is "
                    "measured";
  }
#endif
  EXPECT_EQ(MeasuredCpuType(), at::kFloat);
}

}  // namespace
}  // namespace cooper::torch_model
