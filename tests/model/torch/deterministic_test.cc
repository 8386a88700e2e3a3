// LoadOptions::deterministic on the kernels that a GPU runs: results have the
// same bits whatever else is in the batch.

#include <ATen/TensorOperators.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/model/torch/nano_model.h"
#include "tests/testing/network_recorder.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

class DeterministicTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    LoadOptions options;
    options.checkpoint_dirs = {std::string(COOPER_TEST_DATA) + "/goldens/nano"};
    options.device = "cpu";
    options.dtype = GetParam();
    options.kernels = "generic";
    options.deterministic = true;
    options.kv_cache_mib = 64;
    auto model = TorchModel::Load(options);
    ASSERT_OK(model);
    model_ = *std::move(model);
  }

  std::unique_ptr<model::Context> ContextOf(int tokens, int seed) {
    std::unique_ptr<model::Context> context = model_->NewContext();
    PrefillAll(*model_, context.get(), {SomeText(tokens, seed)});
    return context;
  }

  // Logits of the next token of forks of the contexts: [contexts, vocabulary].
  at::Tensor Logits(const std::vector<const model::Context*>& contexts) {
    std::vector<std::unique_ptr<model::Context>> forks;
    std::vector<model::Context*> decoded;
    for (const model::Context* context : contexts) {
      forks.push_back(context->Fork());
      decoded.push_back(forks.back().get());
    }
    auto logits = DecodeLogits(*model_, decoded,
                               std::vector<model::TokenId>(decoded.size(), 65));
    EXPECT_OK(logits);
    return *std::move(logits);
  }

  std::unique_ptr<model::Denoiser> Start(const model::Context& cond,
                                         image::Size size, int seed) {
    model::SeededNoise noise(seed);
    model::DenoiseSpec spec;
    spec.size = size;
    spec.options.num_timesteps = 3;
    spec.cond = &cond;
    spec.no_text = &cond;
    spec.no_image = &cond;
    spec.noise = &noise;
    auto flow = model_->StartDenoise(spec);
    EXPECT_OK(flow);
    return *std::move(flow);
  }
  void Step(const std::vector<model::Denoiser*>& denoisers) {
    auto step = model_->BeginDenoiseStep(denoisers);
    ASSERT_OK(step);
    ASSERT_OK((*step)->RunSlice(absl::InfiniteDuration()));
  }
  static const at::Tensor& X(const model::Denoiser& flow) {
    return static_cast<const TorchDenoiser&>(flow).x();
  }

  std::unique_ptr<TorchModel> model_;
};

TEST_P(DeterministicTest, ATokenHasTheSameBitsBesideAnyOthers) {
  std::vector<std::unique_ptr<model::Context>> contexts;
  std::vector<const model::Context*> all;
  for (int i = 0; i < 7; ++i) {
    contexts.push_back(ContextOf(3 + 31 * i, i));
    all.push_back(contexts.back().get());
  }
  const at::Tensor together = Logits(all);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(Logits({all[i]})[0].equal(together[static_cast<int64_t>(i)]))
        << "context " << i;
  }
}

TEST_P(DeterministicTest, APrefillHasTheSameBitsBesideAnother) {
  const std::unique_ptr<model::Context> alone = ContextOf(40, 1);
  const std::unique_ptr<model::Context> beside = model_->NewContext();
  const std::unique_ptr<model::Context> other = model_->NewContext();
  model::SeededNoise noise(3);
  const std::vector<model::Segment> segments = {
      SomeText(90, 2), model::LatentImageSegment{Picture({64, 80}, 1), &noise},
      SomeText(40, 1)};
  std::vector<model::PrefillItem> items = {
      {other.get(), &segments[0], absl::OkStatus()},
      {other.get(), &segments[1], absl::OkStatus()},
      {beside.get(), &segments[2], absl::OkStatus()}};
  ASSERT_OK(model_->Prefill(absl::MakeSpan(items)));
  EXPECT_TRUE(Logits({alone.get()}).equal(Logits({beside.get()})));
}

TEST_P(DeterministicTest, AMapHasTheSameBitsBesideAnother) {
  const std::unique_ptr<model::Context> cond = ContextOf(20, 4);
  const auto alone = Start(*cond, {64, 48}, 1);
  const auto beside = Start(*cond, {64, 48}, 1);
  const auto other = Start(*cond, {96, 80}, 2);
  for (int i = 0; i < 2; ++i) {
    Step({alone.get()});
    Step({other.get(), beside.get()});
    EXPECT_TRUE(X(*alone).equal(X(*beside))) << "step " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, DeterministicTest,
                         ::testing::Values("float32", "bfloat16"));

}  // namespace
}  // namespace cooper::torch_model
