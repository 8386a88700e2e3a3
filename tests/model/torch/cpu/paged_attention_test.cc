#include "model/torch/cpu/paged_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace cooper::torch_model::paged_attention {
namespace {

struct Build {
  std::string name;
  Function attend;
};

// Of every instruction set that this processor runs.
std::vector<Build> AllBuilds() {
  std::vector<Build> builds = {{"baseline", Baseline()}};
  if (Avx2() != nullptr) builds.push_back({"avx2", Avx2()});
  if (Avx512() != nullptr) builds.push_back({"avx512", Avx512()});
  return builds;
}

constexpr int64_t kPageTokens = 64;

// A cache of one key/value head whose pages are out of order, and a query.
struct Cache {
  Cache(int64_t dim, int64_t heads, int64_t tokens)
      : stride(dim + 3), pages{3, 0, 2, 1}, keys(4 * kPageTokens * stride) {
    std::mt19937 random(static_cast<uint32_t>(dim * 100 + heads));
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float>* values) {
      for (float& value : *values) value = normal(random);
    };
    values.resize(keys.size());
    query.resize(heads * dim);
    fill(&keys);
    fill(&values);
    fill(&query);
    head.query = query.data();
    head.heads = heads;
    head.dim = dim;
    head.scale = 0.3f;
    head.keys = keys.data();
    head.values = values.data();
    head.pages = pages.data();
    head.page_tokens = kPageTokens;
    head.token_stride = stride;
    head.tokens = tokens;
  }
  int64_t At(int64_t token) const {
    return (pages[token / kPageTokens] * kPageTokens + token % kPageTokens) *
           stride;
  }
  // In double.
  std::vector<double> Expected() const {
    std::vector<double> out(query.size());
    for (int64_t h = 0; h < head.heads; ++h) {
      std::vector<double> weights;
      for (int64_t t = 0; t < head.tokens; ++t) {
        double dot = 0.0;
        for (int64_t i = 0; i < head.dim; ++i) {
          dot += double{query[h * head.dim + i]} * keys[At(t) + i];
        }
        weights.push_back(dot * double{head.scale});
      }
      const double largest = *std::max_element(weights.begin(), weights.end());
      double sum = 0.0;
      for (double& weight : weights) {
        weight = std::exp(weight - largest);
        sum += weight;
      }
      for (int64_t i = 0; i < head.dim; ++i) {
        for (int64_t t = 0; t < head.tokens; ++t) {
          out[h * head.dim + i] += weights[t] / sum * values[At(t) + i];
        }
      }
    }
    return out;
  }

  const int64_t stride;
  const std::vector<int32_t> pages;
  std::vector<float> keys, values, query;
  Head head;
};

class PagedAttentionTest : public ::testing::TestWithParam<Build> {};

// Sizes around a vector's width, a page and the outputs summed side by side.
TEST_P(PagedAttentionTest, IsTheSoftmaxOfTheScoresTimesTheValues) {
  for (const int64_t dim : {2, 8, 24, 64, 72, 128, 160}) {
    for (const int64_t heads : {1, 4, 7}) {
      for (const int64_t tokens : {1, 5, 16, 63, 64, 65, 200, 256}) {
        const Cache cache(dim, heads, tokens);
        std::vector<float> scratch(ScratchFloats(heads, tokens));
        std::vector<float> out(heads * dim);
        GetParam().attend(cache.head, scratch.data(), out.data());
        const std::vector<double> want = cache.Expected();
        double largest = 0.0;
        for (size_t i = 0; i < out.size(); ++i) {
          largest = std::max(largest, std::abs(out[i] - want[i]));
        }
        EXPECT_LT(largest, 3e-6)
            << "dim " << dim << ", heads " << heads << ", tokens " << tokens;
      }
    }
  }
}

// exp of a score itself would be infinite.
TEST_P(PagedAttentionTest, LargeScoresDoNotOverflow) {
  Cache cache(64, 2, 100);
  cache.head.scale = 1.0f;
  for (float& value : cache.query) value *= 30.0f;
  std::vector<float> scratch(ScratchFloats(2, 100));
  std::vector<float> out(size_t{2} * 64);
  GetParam().attend(cache.head, scratch.data(), out.data());
  const std::vector<double> want = cache.Expected();
  for (size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], want[i], 1e-3);
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, PagedAttentionTest,
                         ::testing::ValuesIn(AllBuilds()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace cooper::torch_model::paged_attention
