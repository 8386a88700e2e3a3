// Tokens that the GPU's kernel chooses, under the emulator, against the host's.

#include "model/torch/token_choice.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>

#include <cmath>
#include <limits>
#include <vector>

#include "model/noise.h"
#include "tests/cuda/emulated_launcher.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

using model::SamplingOptions;

constexpr int64_t kVocabulary = 700;

// The tokens of the rows of `logits`, each drawn from its own seed.
std::vector<model::DecodeItem> Choose(
    const Device& device, const at::Tensor& logits,
    const std::vector<SamplingOptions>& sampling, uint64_t seed) {
  std::vector<model::DecodeItem> items(sampling.size());
  std::vector<model::SeededNoise> noises;
  noises.reserve(items.size());
  for (size_t i = 0; i < items.size(); ++i) noises.emplace_back(seed + i);
  std::vector<model::DecodeItem*> pointers;
  for (size_t i = 0; i < items.size(); ++i) {
    items[i].sampling = sampling[i];
    items[i].noise = &noises[i];
    pointers.push_back(&items[i]);
  }
  TokenChoice(device, logits, pointers).Choose();
  return items;
}

Device Emulated() {
  Device device;
  device.launcher = &cuda::EmulatedLauncher();
  return device;
}

SamplingOptions Sampled(double temperature, double top_p) {
  SamplingOptions options;
  options.do_sample = true;
  options.temperature = temperature;
  options.top_p = top_p;
  return options;
}

TEST(TokenChoiceTest, ASeedGivesTheSameTokensOnEveryDevice) {
  const std::vector<SamplingOptions> sampling = {
      SamplingOptions(), Sampled(1.0, 1.0), Sampled(0.7, 0.9),
      Sampled(3.0, 0.95), Sampled(0.0, 0.5)};
  for (uint64_t seed = 0; seed < 40; ++seed) {
    // Rows that are a part of wider ones, as a padded vocabulary makes them.
    const at::Tensor logits =
        (at::randn({static_cast<int64_t>(sampling.size()), kVocabulary + 36}) *
         3.0)
            .narrow(1, 0, kVocabulary);
    const auto got = Choose(Emulated(), logits, sampling, seed);
    const auto want = Choose(Device(), logits, sampling, seed);
    for (size_t i = 0; i < sampling.size(); ++i) {
      ASSERT_OK(got[i].status);
      EXPECT_EQ(got[i].next, want[i].next) << "seed " << seed << ", row " << i;
    }
  }
}

TEST(TokenChoiceTest, ALogitThatIsNotFiniteFailsItsItemAlone) {
  for (const Device& device : {Device(), Emulated()}) {
    const at::Tensor logits = at::randn({3, kVocabulary});
    logits[1][kVocabulary - 1] = std::numeric_limits<float>::quiet_NaN();
    const auto items =
        Choose(device, logits,
               {Sampled(1.0, 0.9), Sampled(1.0, 0.9), SamplingOptions()}, 5);
    EXPECT_OK(items[0].status);
    EXPECT_EQ(items[1].status.code(), absl::StatusCode::kInternal);
    EXPECT_EQ(items[1].status.message(), "a logit is not finite");
    EXPECT_OK(items[2].status);
  }
}

}  // namespace
}  // namespace cooper::torch_model
