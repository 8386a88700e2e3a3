// Weights drawn on the device in place of a checkpoint's.

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/std.h>

#include <string>
#include <vector>

#include "tests/model/checkpoint/temp_directory.h"
#include "tests/model/torch/nano_model.h"
#include "tests/testing/network_recorder.h"
#include "tests/testing/status_matchers.h"
#include "tests/tools/random_checkpoint.h"

namespace cooper::torch_model {
namespace {

using cooper::testing::StatusIs;
using cooper::testing::TempDirectory;
using ::testing::HasSubstr;

constexpr image::Size kMap{64, 80};

Device GenericCpu(at::ScalarType dtype) {
  Device device;
  device.dtype = dtype;
  device.generic_kernels = true;
  return device;
}

TEST(RandomWeightsTest, ValuesAreOfTheKindThatTheNameAndShapeSay) {
  const auto weights =
      MakeRandomWeights(WeightReader::Part::kNetwork, GenericCpu(at::kFloat));
  const auto near = [](const at::Tensor& values, double mean,
                       double deviation) {
    EXPECT_NEAR(values.mean().item<double>(), mean, 0.1 * deviation);
    EXPECT_NEAR(values.std().item<double>(), deviation, 0.1 * deviation);
  };
  near(weights->Take("a.weight", {256, 1024}), 0.0, 1.0 / 32);
  near(weights->Take("conv.weight", {128, 16, 3, 3}), 0.0, 1.0 / 12);
  near(weights->Take("norm.weight", {4096}), 1.0, 0.1);
  near(weights->Take("a.bias", {4096}), 0.0, 0.02);
  EXPECT_EQ(weights->parameters(), 256 * 1024 + 128 * 16 * 9 + 2 * 4096);
  EXPECT_OK(weights->status());
}

TEST(RandomWeightsTest, TheSameNameAndSeedGiveTheSameValues) {
  const auto draw = [](uint64_t seed, const char* name) {
    return MakeRandomWeights(WeightReader::Part::kNetwork,
                             GenericCpu(at::kBFloat16), seed)
        ->Take(name, {32, 32});
  };
  EXPECT_TRUE(draw(1, "a.weight").equal(draw(1, "a.weight")));
  EXPECT_FALSE(draw(1, "a.weight").equal(draw(2, "a.weight")));
  EXPECT_FALSE(draw(1, "a.weight").equal(draw(1, "b.weight")));
}

TEST(RandomWeightsTest, AJoinedMatrixHoldsTheRowsOfItsParts) {
  for (const Device& device : {Device(), GenericCpu(at::kFloat)}) {
    const auto weights =
        MakeRandomWeights(WeightReader::Part::kNetwork, device);
    const at::Tensor joined = weights->TakeMatrix({{"q", 24}, {"k", 8}}, 48);
    EXPECT_EQ(joined.scalar_type(),
              device.fused_cpu() ? at::kBFloat16 : at::kFloat);
    EXPECT_TRUE(
        joined.narrow(0, 0, 24).equal(weights->TakeMatrix({{"q", 24}}, 48)));
    EXPECT_TRUE(
        joined.narrow(0, 24, 8).equal(weights->TakeMatrix({{"k", 8}}, 48)));
  }
}

class RandomModelTest : public ::testing::TestWithParam<const char*> {
 protected:
  RandomModelTest() {
    const auto shape = checkpoint::ShapeByName("nano", 2);
    EXPECT_OK(shape);
    EXPECT_OK(checkpoint::WriteCheckpointFrame(*shape, directory_.path()));
    options_.checkpoint_dirs = {directory_.path()};
    options_.device = "cpu";
    options_.dtype = "float32";
    options_.kernels = GetParam();
    options_.kv_cache_mib = 16;
    options_.random_weights = true;
  }

  const TempDirectory directory_;
  LoadOptions options_;
};

INSTANTIATE_TEST_SUITE_P(Kernels, RandomModelTest,
                         ::testing::Values("auto", "generic"));

TEST_P(RandomModelTest, AFrameWithoutWeightsIsRefusedOtherwise) {
  options_.random_weights = false;
  EXPECT_THAT(
      TorchModel::Load(options_),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("model.safetensors")));
}

TEST_P(RandomModelTest, PrefillsDecodesAndDenoisesFiniteValues) {
  auto loaded = TorchModel::Load(options_);
  ASSERT_OK(loaded);
  TorchModel& model = **loaded;
  EXPECT_GT(model.info().parameters, 500'000);

  model::SeededNoise noise(5);
  const model::TokenId bos = model.text_codec().special().bos;
  const auto cond = model.NewContext();
  const auto empty = model.NewContext();
  PrefillAll(model, cond.get(),
             {model::TextSegment{{bos, 65, 66, 67}},
              model::LatentImageSegment{Picture({64, 64}, 1), &noise},
              model::VisionImageSegment{Picture({70, 84}, 1)},
              model::TextSegment{{68, 69, bos}}});
  std::vector<at::Tensor> logits;
  for (const model::TokenId id : {65, 70}) {
    const auto row = DecodeLogits(model, {cond.get()}, {id});
    ASSERT_OK(row);
    EXPECT_TRUE(row->isfinite().all().item<bool>());
    logits.push_back(*row);
  }
  EXPECT_FALSE(logits[0].equal(logits[1]));
  EXPECT_GT(logits[0].std().item<double>(), 0.1);

  model::DenoiseSpec spec;
  spec.size = kMap;
  spec.options.num_timesteps = 3;
  spec.cond = cond.get();
  spec.no_text = empty.get();
  spec.no_image = empty.get();
  spec.noise = &noise;
  auto flow = model.StartDenoise(spec);
  ASSERT_OK(flow);
  const at::Tensor start = static_cast<TorchDenoiser&>(**flow).x().clone();
  while ((*flow)->steps_done() < (*flow)->steps_total()) {
    model::Denoiser* const denoisers[] = {flow->get()};
    auto step = model.BeginDenoiseStep(denoisers);
    ASSERT_OK(step);
    ASSERT_OK((*step)->RunSlice(absl::InfiniteDuration()));
  }
  const at::Tensor end = static_cast<TorchDenoiser&>(**flow).x();
  EXPECT_TRUE(end.isfinite().all().item<bool>());
  EXPECT_FALSE(end.allclose(start, 0.01, 0.01));

  const at::Tensor pixels = model.autoencoder().Decode(
      at::randn({16, 8, 10}, at::TensorOptions(at::kFloat)));
  EXPECT_TRUE(pixels.isfinite().all().item<bool>());
  EXPECT_GT(pixels.std().item<double>(), 1e-3);
}

TEST(RandomModelsTest, BothKindsOfKernelsHaveTheSameWeights) {
  const TempDirectory directory;
  const auto shape = checkpoint::ShapeByName("nano", 2);
  ASSERT_OK(shape);
  ASSERT_OK(checkpoint::WriteCheckpointFrame(*shape, directory.path()));
  std::vector<at::Tensor> logits;
  for (const char* kernels : {"auto", "generic"}) {
    LoadOptions options;
    options.checkpoint_dirs = {directory.path()};
    options.device = "cpu";
    options.dtype = "float32";
    options.kernels = kernels;
    options.kv_cache_mib = 16;
    options.random_weights = true;
    auto model = TorchModel::Load(options);
    ASSERT_OK(model);
    const auto context = (*model)->NewContext();
    PrefillAll(**model, context.get(), {model::TextSegment{{1, 2, 3, 4}}});
    auto row = DecodeLogits(**model, {context.get()}, {5});
    ASSERT_OK(row);
    logits.push_back(*row);
  }
  EXPECT_TRUE(logits[0].allclose(logits[1], 1e-4, 1e-4));
}

}  // namespace
}  // namespace cooper::torch_model
