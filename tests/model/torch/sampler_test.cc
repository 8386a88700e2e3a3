#include "model/torch/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <string>
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

// The definition, with a full sort: what SampleToken must equal to the bit.
class SortedTokens {
 public:
  SortedTokens(const std::vector<float>& logits, double temperature,
               double top_p)
      : temperature_(temperature), top_p_(top_p), order_(logits.size()) {
    const double best = *std::max_element(logits.begin(), logits.end());
    weights_.reserve(logits.size());
    for (const float logit : logits) {
      weights_.push_back(std::exp((logit - best) / temperature));
    }
    std::iota(order_.begin(), order_.end(), 0);
    total_ = std::accumulate(weights_.begin(), weights_.end(), 0.0);
    if (top_p < 1.0) KeepTop();
  }

  double temperature() const { return temperature_; }
  double top_p() const { return top_p_; }

  model::TokenId Draw(double uniform) const {
    double left = uniform * total_;
    for (const model::TokenId token : order_) {
      left -= weights_[token];
      if (left < 0.0) return token;
    }
    return order_.back();
  }

 private:
  void KeepTop() {
    std::sort(order_.begin(), order_.end(), [&](int a, int b) {
      return weights_[a] != weights_[b] ? weights_[a] > weights_[b] : a < b;
    });
    double mass = 0.0;
    size_t kept = 0;
    while (kept < order_.size() && mass <= top_p_ * total_) {
      mass += weights_[order_[kept++]];
    }
    order_.resize(kept);
    total_ = mass;
  }

  const double temperature_;
  const double top_p_;
  std::vector<double> weights_;
  std::vector<model::TokenId> order_;
  double total_ = 0.0;
};

// One uniform draw that is given.
class GivenDraw final : public model::NoiseSource {
 public:
  explicit GivenDraw(double uniform) : uniform_(uniform) {}
  void FillNormal(absl::Span<float>) override { ADD_FAILURE(); }
  double Uniform() override { return uniform_; }

 private:
  const double uniform_;
};

void ExpectAsBySorting(const std::vector<float>& logits,
                       const SortedTokens& sorted, double uniform) {
  GivenDraw draw(uniform);
  const auto token = SampleToken(
      logits, Sampling(sorted.temperature(), sorted.top_p()), &draw);
  ASSERT_OK(token);
  ASSERT_EQ(*token, sorted.Draw(uniform))
      << logits.size() << " logits, temperature " << sorted.temperature()
      << ", top_p " << sorted.top_p() << ", draw " << uniform;
}

// Draws at which rounding decides, and a few others.
std::vector<double> Draws(std::mt19937& random) {
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  return {0.0, std::nextafter(1.0, 0.0), uniform(random), uniform(random)};
}

TEST(SamplerTest, EveryDrawIsThatOfAFullSort) {
  std::mt19937 random(3);
  const std::vector<double> temperatures = {0.0001, 0.3, 1.0, 5.0, 1e9};
  const std::vector<double> top_ps = {
      1e-300, 1e-6, 0.1, 0.5, 0.9, 0.99, 1.0 - 1e-9, std::nextafter(1.0, 0.0),
      1.0};
  const auto pick = [&](const std::vector<double>& values) {
    return values[std::uniform_int_distribution<size_t>(
        0, values.size() - 1)(random)];
  };
  for (int i = 0; i < 4000; ++i) {
    // Above 256 ids, digits are sorted by; below, by comparison.
    const int size =
        std::uniform_int_distribution<int>(1, i % 4 == 0 ? 5000 : 600)(random);
    std::normal_distribution<float> normal(
        0.0f, static_cast<float>(pick({1e-6, 0.01, 1.0, 10.0, 300.0})));
    // Coarse logits have many ties.
    const auto step = static_cast<float>(pick({0.0, 0.5, 20.0}));
    std::vector<float> logits(size);
    for (float& logit : logits) {
      logit = normal(random);
      if (step > 0.0f) logit = std::round(logit / step) * step;
    }
    if (i % 5 == 0) logits[random() % size] += 50.0f;  // one dominates
    for (const double draw : Draws(random)) {
      const double temperature = pick(temperatures);
      ExpectAsBySorting(logits, SortedTokens(logits, temperature, pick(top_ps)),
                        draw);
    }
  }
}

TEST(SamplerTest, EveryDrawIsThatOfAFullSortOverTheWholeVocabulary) {
  std::mt19937 random(5);
  constexpr int kVocabulary = 151665;
  std::normal_distribution<float> normal(0.0f, 3.0f);
  std::vector<std::vector<float>> rows(5, std::vector<float>(kVocabulary));
  for (float& logit : rows[0]) logit = normal(random);
  // rows[1]: all equal.
  for (float& logit : rows[2]) logit = 1e-4f * normal(random);  // nearly flat
  for (float& logit : rows[3]) logit = std::round(normal(random));
  rows[4] = rows[2];  // half of the mass lies in one token, half is flat
  rows[4][777] = std::log(static_cast<float>(kVocabulary));
  for (const std::vector<float>& logits : rows) {
    for (const double top_p : {0.05, 0.9, std::nextafter(1.0, 0.0)}) {
      const SortedTokens sorted(logits, 1.0, top_p);
      for (const double draw : Draws(random)) {
        ExpectAsBySorting(logits, sorted, draw);
      }
    }
  }
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
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float wrong : {nan, infinity, -infinity}) {
    EXPECT_THAT(SampleToken(std::vector<float>{0.0f, wrong}, {}, nullptr),
                StatusIs(absl::StatusCode::kInternal, _));
  }
}

TEST(SamplerTest, TheSameSeedGivesTheSameDraws) {
  const std::vector<float> logits(50, 0.0f);
  EXPECT_EQ(Draw(logits, Sampling(1.0, 0.9), 200),
            Draw(logits, Sampling(1.0, 0.9), 200));
}

}  // namespace
}  // namespace cooper::torch_model
