// The fused kernels of the CPU, and those of a GPU under the emulator, against
// ATen's operators.

#include "model/torch/kernels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/cuda/emulated_launcher.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

struct Shape {
  HeadShape heads;
  int64_t hidden;
};

enum class Fused { kCpu, kGpu };

std::unique_ptr<Kernels> Make(Fused fused) {
  if (fused == Fused::kCpu) return MakeCpuKernels();
  Device device;
  device.launcher = &cuda::EmulatedLauncher();
  return MakeKernels(device);
}

class KernelsTest : public ::testing::TestWithParam<std::tuple<Shape, Fused>> {
 protected:
  static int64_t hidden() { return std::get<0>(GetParam()).hidden; }

  void ExpectClose(const at::Tensor& got, const at::Tensor& want) {
    ASSERT_EQ(got.sizes(), want.sizes());
    EXPECT_TRUE(at::allclose(got, want, 1e-5, 2e-6))
        << "largest difference " << (got - want).abs().max().item<double>();
  }

  // Attention of all rows, window by window: understanding rows first, then
  // generation rows. Each window but the last ends where `ends` says.
  Rows Attention(Kernels& kernels, const std::vector<Segment>& segments,
                 const Rows& qkv, std::vector<int64_t> ends) {
    const int64_t width = shape_.heads * shape_.dim;
    const int64_t und = qkv.und.size(0);
    const int64_t gen = qkv.gen.size(0);
    Rows out;
    out.und = at::empty({und, width});
    out.gen = at::empty({gen, width});
    const std::unique_ptr<PassPlan> plan = Plan(kernels, segments, qkv);
    ends.push_back(und + gen);
    int64_t begin = 0;
    for (const int64_t end : ends) {
      const RowWindow window = {
          {std::min(begin, und), std::min(end, und)},
          {std::max(begin - und, int64_t{0}), std::max(end - und, int64_t{0})}};
      kernels.Attend(0, shape_, *plan, qkv, window, &out);
      begin = end;
    }
    return out;
  }

  // Of rows whose positions do not matter.
  std::unique_ptr<PassPlan> Plan(Kernels& kernels,
                                 const std::vector<Segment>& segments,
                                 const Rows& qkv) {
    PassLayout layout;
    layout.segments = segments;
    layout.und_positions.resize(qkv.und.size(0));
    layout.gen_positions.resize(qkv.gen.size(0));
    return kernels.Prepare(std::move(layout), at::rand({shape_.dim / 2}));
  }

  const std::unique_ptr<Kernels> fused_ = Make(std::get<1>(GetParam()));
  const std::unique_ptr<Kernels> generic_ = MakeGenericKernels(Device());
  const HeadShape shape_ = std::get<0>(GetParam()).heads;
  PassLayout layout_;
};

TEST_P(KernelsTest, NormsAreEqual) {
  const at::Tensor x = at::randn({5, hidden()});
  const at::Tensor weight = at::randn({hidden()});
  ExpectClose(fused_->Norm(x, weight, 1e-6), generic_->Norm(x, weight, 1e-6));
  at::Tensor a = x.clone();
  at::Tensor b = x.clone();
  const at::Tensor delta = at::randn({5, hidden()});
  ExpectClose(fused_->AddNorm(a, delta, weight, 1e-6),
              generic_->AddNorm(b, delta, weight, 1e-6));
  ExpectClose(a, b);
}

TEST_P(KernelsTest, RopeIsEqualWithAndWithoutNorms) {
  for (const bool norm : {true, false}) {
    at::Tensor a = at::randn({7, shape_.qkv_width()});
    at::Tensor b = a.clone();
    const at::Tensor q = norm ? at::randn({shape_.dim}) : at::Tensor();
    const at::Tensor k = norm ? at::randn({shape_.dim}) : at::Tensor();
    const at::Tensor angles = at::rand({7, shape_.dim / 2}) * 6.0;
    RowAngles rows;
    rows.cos = angles.cos();
    rows.sin = angles.sin();
    fused_->NormRope(a, shape_, q, k, rows, 1e-6);
    generic_->NormRope(b, shape_, q, k, rows, 1e-6);
    ExpectClose(a, b);
  }
}

// Under bfloat16 the rows of a segment with latents are computed in float32,
// those beside them are not: neither depends on its neighbours in the pass.
TEST_P(KernelsTest, OnlyRowsInGenerationModeAreWide) {
  Device device;
  device.dtype = at::kBFloat16;
  if (std::get<1>(GetParam()) == Fused::kGpu) {
    device.launcher = &cuda::EmulatedLauncher();
  }
  const std::unique_ptr<Kernels> kernels = MakeKernels(device);
  KvPool pool({1, shape_.kv_heads, shape_.dim}, /*pages=*/8, device);
  PagedContext text(&pool);
  PagedContext latent(&pool);
  const auto layout = [&](bool with_text, bool with_latents) {
    PassLayout result;
    if (with_text) {
      ASSERT_OK(text.Reserve(7));
      Segment segment;
      segment.context = &text;
      segment.und_count = 7;
      segment.causal = true;
      segment.write = true;
      for (int64_t row = 0; row < 7; ++row) {
        result.und_positions.push_back(row);
      }
      result.segments.push_back(segment);
    }
    if (with_latents) {
      ASSERT_OK(latent.Reserve(5));
      Segment segment;
      segment.context = &latent;
      segment.und_begin = static_cast<int64_t>(result.und_positions.size());
      segment.und_count = 2;
      segment.gen_count = 3;
      segment.write = true;
      result.und_positions.insert(result.und_positions.end(), 2, 9);
      result.gen_positions.assign(3, 9);
      result.segments.push_back(segment);
    }
    layout_ = std::move(result);
  };
  const at::Tensor frequency = at::rand({shape_.dim / 2});
  const at::Tensor rows = at::randn({9, shape_.qkv_width()}).to(at::kBFloat16);
  const at::Tensor q = at::randn({shape_.dim}).to(at::kBFloat16);
  const at::Tensor k = at::randn({shape_.dim}).to(at::kBFloat16);
  const auto turned = [&](at::Tensor x) {
    x = x.clone();
    const std::unique_ptr<PassPlan> plan =
        kernels->Prepare(std::move(layout_), frequency);
    kernels->NormRope(x, shape_, q, k, plan->und(), 1e-6);
    return x;
  };
  layout(true, false);
  const at::Tensor texts = turned(rows.narrow(0, 0, 7));
  layout(false, true);
  const at::Tensor delimiters = turned(rows.narrow(0, 7, 2));
  layout(true, true);
  const at::Tensor both = turned(rows);
  EXPECT_TRUE(both.narrow(0, 0, 7).equal(texts));
  EXPECT_TRUE(both.narrow(0, 7, 2).equal(delimiters));
  // The two modes differ.
  layout(true, false);
  layout_.segments[0].gen_count = 1;
  layout_.gen_positions = {0};
  ASSERT_OK(text.Reserve(8));
  EXPECT_FALSE(turned(rows.narrow(0, 0, 7)).equal(texts));
}

TEST_P(KernelsTest, SiluMulIsEqualAlsoFarOut) {
  const at::Tensor x = at::randn({3, 2 * hidden()}) * 40.0;
  ExpectClose(fused_->SiluMul(x), generic_->SiluMul(x));
}

TEST_P(KernelsTest, AttentionOfAMixedBatchIsEqual) {
  KvPool pool({1, shape_.kv_heads, shape_.dim}, /*pages=*/32, Device());
  for (const at::Tensor* store : {&pool.keys(0), &pool.values(0)}) {
    at::Tensor tensor = *store;
    tensor.normal_();
  }
  // Contexts that end within, at and behind the end of a page.
  PagedContext decode(&pool);
  PagedContext text(&pool);
  PagedContext latent(&pool);
  PagedContext flow(&pool);
  PagedContext empty(&pool);
  const auto fill = [](PagedContext* context, int64_t tokens) {
    EXPECT_OK(context->Reserve(tokens));
    context->Commit(tokens, tokens);
  };
  fill(&decode, 3 * KvPool::kPageTokens);
  fill(&text, KvPool::kPageTokens - 2);
  fill(&latent, 5);
  fill(&flow, KvPool::kPageTokens + 9);

  int64_t und = 0;
  int64_t gen = 0;
  std::vector<Segment> segments;
  const auto add = [&](PagedContext* context, int64_t und_rows,
                       int64_t gen_rows, bool causal, bool write) {
    Segment segment;
    segment.context = context;
    segment.kv_before = context->cache_length();
    segment.und_begin = und;
    segment.und_count = und_rows;
    segment.gen_begin = gen;
    segment.gen_count = gen_rows;
    segment.causal = causal;
    segment.write = write;
    if (write) {
      EXPECT_OK(context->Reserve(segment.tokens()));
    }
    und += und_rows;
    gen += gen_rows;
    segments.push_back(segment);
  };
  add(&decode, 1, 0, true, true);
  add(&text, 7, 0, true, true);
  add(&latent, 2, 6, false, true);
  add(&flow, 2, 9, false, false);
  add(&empty, 2, 4, false, false);

  Rows qkv;
  qkv.und = at::randn({und, shape_.qkv_width()});
  qkv.gen = at::randn({gen, shape_.qkv_width()});
  const at::Tensor before = pool.keys(0).clone();
  generic_->WriteCache(0, shape_, *Plan(*generic_, segments, qkv), qkv);
  const Rows want = Attention(*generic_, segments, qkv, {});
  const at::Tensor written = pool.keys(0).clone();
  at::Tensor keys = pool.keys(0);
  keys.copy_(before);
  fused_->WriteCache(0, shape_, *Plan(*fused_, segments, qkv), qkv);
  ExpectClose(pool.keys(0), written);
  for (const std::vector<int64_t>& ends :
       {std::vector<int64_t>{}, std::vector<int64_t>{1, 4, und},
        std::vector<int64_t>{9, und + 6},
        std::vector<int64_t>{und + 6, und + 15}}) {
    for (Kernels* const kernels : {fused_.get(), generic_.get()}) {
      const Rows got = Attention(*kernels, segments, qkv, ends);
      ExpectClose(got.und, want.und);
      ExpectClose(got.gen, want.gen);
    }
  }
}

// However windows cut a segment, the bits are the same.
TEST_P(KernelsTest, AttentionOfAWindowIsThatOfTheWhole) {
  KvPool pool({1, shape_.kv_heads, shape_.dim}, /*pages=*/8, Device());
  for (const at::Tensor* store : {&pool.keys(0), &pool.values(0)}) {
    at::Tensor tensor = *store;
    tensor.normal_();
  }
  PagedContext context(&pool);
  ASSERT_OK(context.Reserve(21));
  context.Commit(21, 21);
  constexpr int64_t kRows = 300;
  Segment segment;
  segment.context = &context;
  segment.kv_before = context.cache_length();
  segment.und_count = 2;
  segment.gen_count = kRows;
  Rows qkv;
  qkv.und = at::randn({2, shape_.qkv_width()});
  qkv.gen = at::randn({kRows, shape_.qkv_width()});
  const auto expect_equal = [&] {
    const Rows want = Attention(*generic_, {segment}, qkv, {});
    const Rows whole = Attention(*fused_, {segment}, qkv, {});
    const Rows parts = Attention(*fused_, {segment}, qkv, {1, 70, 133, 256});
    ExpectClose(whole.und, want.und);
    ExpectClose(whole.gen, want.gen);
    EXPECT_TRUE(parts.und.equal(whole.und));
    EXPECT_TRUE(parts.gen.equal(whole.gen));
  };
  expect_equal();
  // A text: each row sees those before it.
  std::swap(segment.und_count, segment.gen_count);
  std::swap(qkv.und, qkv.gen);
  segment.gen_count = 0;
  qkv.gen = qkv.gen.narrow(0, 0, 0);
  segment.causal = true;
  expect_equal();
}

INSTANTIATE_TEST_SUITE_P(
    HeadShapes, KernelsTest,
    ::testing::Combine(::testing::Values(Shape{{4, 2, 24}, 96},
                                         Shape{{4, 4, 8}, 40},
                                         Shape{{7, 1, 64}, 130},
                                         Shape{{16, 4, 64}, 1024}),
                       ::testing::Values(Fused::kCpu, Fused::kGpu)),
    [](const auto& info) {
      const HeadShape& heads = std::get<0>(info.param).heads;
      return absl::StrCat(
          heads.heads, "Heads", heads.kv_heads, "KvHeadsOf", heads.dim,
          std::get<1>(info.param) == Fused::kCpu ? "OnACpu" : "OnAGpu");
    });

}  // namespace
}  // namespace cooper::torch_model
