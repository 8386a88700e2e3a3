#include "model/torch/sampler.h"

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

using cooper::testing::StatusIs;
using ::testing::_;

model::SamplingOptions Sampling(double temperature, double top_p) {
  model::SamplingOptions options;
  options.do_sample = true;
  options.temperature = temperature;
  options.top_p = top_p;
  return options;
}

std::map<model::TokenId, int> Draw(const std::vector<float>& logits,
                                   const model::SamplingOptions& options,
                                   int count) {
  model::SeededNoise noise(7);
  std::map<model::TokenId, int> counts;
  for (int i = 0; i < count; ++i) {
    const auto token = SampleToken(logits, options, &noise);
    EXPECT_OK(token);
    ++counts[*token];
  }
  return counts;
}

TEST(SamplerTest, GreedyTakesTheFirstOfTheLargest) {
  const std::vector<float> logits = {0.5f, 2.0f, 2.0f, -1.0f};
  const auto token = SampleToken(logits, {}, nullptr);
  ASSERT_OK(token);
  EXPECT_EQ(*token, 1);
}

TEST(SamplerTest, DrawsFollowTheSoftmax) {
  // Probabilities 0.5, 0.25, 0.25.
  const std::vector<float> logits = {std::log(2.0f), 0.0f, 0.0f};
  const auto counts = Draw(logits, Sampling(1.0, 1.0), 20000);
  EXPECT_NEAR(counts.at(0), 10000, 300);
  EXPECT_NEAR(counts.at(1), 5000, 300);
}

TEST(SamplerTest, ALowTemperatureIsGreedy) {
  const std::vector<float> logits = {1.0f, 1.01f, 0.0f};
  EXPECT_EQ(Draw(logits, Sampling(0.0, 1.0), 100).at(1), 100);
}

TEST(SamplerTest, TopPKeepsTheTokenThatPassesIt) {
  // Probabilities 0.6, 0.3, 0.1: 0.7 is passed by the second.
  const std::vector<float> logits = {std::log(0.3f), std::log(0.6f),
                                     std::log(0.1f)};
  const auto counts = Draw(logits, Sampling(1.0, 0.7), 9000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_NEAR(counts.at(1), 6000, 300);  // renormalised: 2/3
}

TEST(SamplerTest, NotFiniteLogitsAreAnError) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(SampleToken(std::vector<float>{0.0f, nan}, {}, nullptr),
              StatusIs(absl::StatusCode::kInternal, _));
}

TEST(SamplerTest, TheSameSeedGivesTheSameDraws) {
  const std::vector<float> logits(50, 0.0f);
  EXPECT_EQ(Draw(logits, Sampling(1.0, 0.9), 200),
            Draw(logits, Sampling(1.0, 0.9), 200));
}

}  // namespace
}  // namespace cooper::torch_model
