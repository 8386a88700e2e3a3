// A decoded layer in one go against the same layer in ATen's operators.

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

#include <memory>
#include <utility>
#include <vector>

#include "model/torch/kernels.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

constexpr int64_t kHidden = 48;
constexpr int64_t kMiddle = 80;
constexpr double kEps = 1e-6;
constexpr HeadShape kShape{4, 2, 24};

at::Tensor Weight(int64_t out, int64_t in) {
  return at::randn({out, in}).mul_(0.2).to(at::kBFloat16);
}

Expert RandomExpert() {
  Expert expert;
  expert.input_norm = at::rand({kHidden});
  expert.post_norm = at::rand({kHidden});
  expert.q_norm = at::rand({kShape.dim});
  expert.k_norm = at::rand({kShape.dim});
  const Device device;
  expert.qkv = Linear(Weight(kShape.qkv_width(), kHidden),
                      at::randn({kShape.qkv_width()}), device);
  expert.out =
      Linear(Weight(kHidden, kShape.heads * kShape.dim), at::Tensor(), device);
  expert.gate_up = Linear(Weight(2 * kMiddle, kHidden), at::Tensor(), device);
  expert.down = Linear(Weight(kHidden, kMiddle), at::Tensor(), device);
  return expert;
}

class DecodeLayerTest : public ::testing::Test {
 protected:
  static constexpr int64_t kRows = 7;

  DecodeLayerTest() : pool_({1, kShape.kv_heads, kShape.dim}, 64, Device()) {
    for (const at::Tensor* store : {&pool_.keys(0), &pool_.values(0)}) {
      at::Tensor tensor = *store;
      tensor.normal_();
    }
    for (int64_t row = 0; row < kRows; ++row) {
      contexts_.push_back(std::make_unique<PagedContext>(&pool_));
      PagedContext* context = contexts_.back().get();
      const int64_t length = row * 40;  // 0 to 240: several pages
      if (length > 0) {
        EXPECT_OK(context->Reserve(length));
        context->Commit(length, length);
      }
      EXPECT_OK(context->Reserve(1));
      Segment segment;
      segment.context = context;
      segment.kv_before = length;
      segment.und_begin = row;
      segment.und_count = 1;
      segment.causal = true;
      segment.write = true;
      segments_.push_back(segment);
    }
  }

  struct Result {
    at::Tensor x, delta;
  };
  // Rows [begin, begin + count) by the fused kernels.
  Result Fused(int64_t begin, int64_t count) {
    std::vector<Segment> segments;
    for (int64_t row = 0; row < count; ++row) {
      segments.push_back(segments_[begin + row]);
      segments.back().und_begin = row;
    }
    const auto rows = [&](const at::Tensor& all) {
      return all.narrow(0, begin, count).clone();
    };
    Result result{rows(x_), rows(delta_)};
    const std::unique_ptr<PassPlan> plan =
        Plan(*kernels_, std::move(segments), begin);
    EXPECT_TRUE(kernels_->DecodeLayer(0, kShape, expert_, *plan, kEps, result.x,
                                      result.delta));
    return result;
  }

  // The first segment is the token at position `begin`, and so on.
  static std::unique_ptr<PassPlan> Plan(Kernels& kernels,
                                        std::vector<Segment> segments,
                                        int64_t begin) {
    PassLayout layout;
    for (size_t row = 0; row < segments.size(); ++row) {
      layout.und_positions.push_back(begin + static_cast<int64_t>(row));
    }
    layout.segments = std::move(segments);
    return kernels.Prepare(std::move(layout),
                           at::linspace(0.1, 0.9, kShape.dim / 2, at::kFloat));
  }

  KvPool pool_;
  std::vector<std::unique_ptr<PagedContext>> contexts_;
  std::vector<Segment> segments_;
  const Expert expert_ = RandomExpert();
  const at::Tensor x_ = at::randn({kRows, kHidden});
  const at::Tensor delta_ = at::randn({kRows, kHidden});
  std::unique_ptr<Kernels> kernels_ = MakeCpuKernels();
};

TEST_F(DecodeLayerTest, EqualsTheLayerInItsParts) {
  std::unique_ptr<Kernels> parts = MakeGenericKernels(Device());
  const std::unique_ptr<PassPlan> plan = Plan(*parts, segments_, 0);
  at::Tensor x = x_.clone();
  Rows qkv;
  qkv.und = expert_.qkv(parts->AddNorm(x, delta_, expert_.input_norm, kEps));
  qkv.gen = at::randn({0, kShape.qkv_width()});
  parts->NormRope(qkv.und, kShape, expert_.q_norm, expert_.k_norm, plan->und(),
                  kEps);
  const at::Tensor keys = pool_.keys(0).clone();
  parts->WriteCache(0, kShape, *plan, qkv);
  const at::Tensor written = pool_.keys(0).clone();
  Rows attention;
  attention.und = at::empty({kRows, kShape.heads * kShape.dim});
  parts->Attend(0, kShape, *plan, qkv, {{0, kRows}, {0, 0}}, &attention);
  const at::Tensor normed =
      parts->AddNorm(x, expert_.out(attention.und), expert_.post_norm, kEps);
  const at::Tensor delta =
      expert_.down(parts->SiluMul(expert_.gate_up(normed)));

  at::Tensor restored = pool_.keys(0);
  restored.copy_(keys);
  const Result result = Fused(0, kRows);
  EXPECT_TRUE(result.x.allclose(x, 1e-5, 1e-5));
  EXPECT_TRUE(result.delta.allclose(delta, 1e-5, 1e-5));
  EXPECT_TRUE(pool_.keys(0).allclose(written, 1e-5, 1e-5));
}

// So a token does not depend on its neighbours, nor on the machine's cores.
TEST_F(DecodeLayerTest, ARowIsTheSameToTheBitForAnyRowsAndThreads) {
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Result together = Fused(0, kRows);
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    for (int64_t row = 0; row < kRows; ++row) {
      const Result alone = Fused(row, 1);
      EXPECT_TRUE(alone.x.equal(together.x.narrow(0, row, 1))) << row;
      EXPECT_TRUE(alone.delta.equal(together.delta.narrow(0, row, 1))) << row;
    }
    const Result again = Fused(0, kRows);
    EXPECT_TRUE(again.x.equal(together.x)) << threads << " threads";
    EXPECT_TRUE(again.delta.equal(together.delta)) << threads << " threads";
  }
  at::set_num_threads(before);
}

// More rows than one reading of a panel pays for are the parts' to do.
TEST_F(DecodeLayerTest, ManyRowsAreLeftToTheParts) {
  at::Tensor x = at::randn({200, kHidden});
  at::Tensor delta;
  const std::unique_ptr<PassPlan> plan =
      Plan(*kernels_, std::vector<Segment>(200), 0);
  EXPECT_FALSE(
      kernels_->DecodeLayer(0, kShape, expert_, *plan, kEps, x, delta));
}

}  // namespace
}  // namespace cooper::torch_model
