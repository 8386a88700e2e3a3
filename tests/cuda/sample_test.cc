// The choice of tokens under the emulator against a sort.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "model/cuda/kernels.h"
#include "tests/cuda/emulated_launcher.h"

namespace cooper::cuda {
namespace {

class SampleTest : public ::testing::Test {
 protected:
  // As SampleArgs says, in doubles; -1: the choice hangs on the last digits.
  static int Want(const std::vector<float>& logits, const SampleRow& row) {
    const auto best = std::max_element(logits.begin(), logits.end());
    if (row.temperature == 0.0) return static_cast<int>(best - logits.begin());
    std::vector<double> weights;
    double total = 0.0;
    for (const float logit : logits) {
      weights.push_back(std::exp((double{logit} - *best) / row.temperature));
      total += weights.back();
    }
    std::vector<int> order(logits.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
    double mass = total;
    if (row.top_p < 1.0) {
      std::sort(order.begin(), order.end(), [&](int a, int b) {
        return weights[a] != weights[b] ? weights[a] > weights[b] : a < b;
      });
      mass = 0.0;
      for (const int token : order) {
        mass += weights[token];
        if (mass > row.top_p * total) break;
      }
    }
    double sum = 0.0;
    for (const int token : order) {
      sum += weights[token];
      if (std::abs(sum - row.uniform * mass) < 1e-7 * total) return -1;
      if (sum > row.uniform * mass) return token;
    }
    return -1;
  }

  std::vector<int32_t> Choose(const std::vector<float>& logits, int64_t stride,
                              int64_t vocabulary,
                              const std::vector<SampleRow>& rows) {
    std::vector<int32_t> tokens(rows.size(), -2);
    std::vector<unsigned long long> weights(rows.size() * vocabulary, 7);
    SampleArgs args;
    args.logits = logits.data();
    args.rows = rows.data();
    args.weights = weights.data();
    args.tokens = tokens.data();
    args.count = static_cast<int64_t>(rows.size());
    args.stride = stride;
    args.vocabulary = vocabulary;
    EXPECT_EQ(EmulatedLauncher().Sample(args, Stream()), 0);
    return tokens;
  }

  std::mt19937 random_{3};
};

TEST_F(SampleTest, ChoosesAsASortDoes) {
  std::uniform_real_distribution<double> uniform;
  int decided = 0;
  for (const int64_t vocabulary : {1, 31, 1000, 5000}) {
    const int64_t stride = vocabulary + 5;
    for (const float width : {0.0f, 0.3f, 3.0f, 30.0f}) {
      std::vector<SampleRow> rows;
      for (const double top_p : {1.0, 0.95, 0.5, 1e-9}) {
        for (const double temperature : {0.0, 0.3, 1.0, 5.0}) {
          rows.push_back({temperature, top_p, uniform(random_)});
        }
      }
      rows.push_back({1.0, 0.9, 0.0});
      rows.push_back({1.0, 0.9, std::nextafter(1.0, 0.0)});
      std::normal_distribution<float> bell;
      std::vector<float> logits(rows.size() * stride,
                                std::numeric_limits<float>::infinity());
      for (size_t row = 0; row < rows.size(); ++row) {
        for (int64_t i = 0; i < vocabulary; ++i) {
          // Some are equal.
          logits[row * stride + i] =
              std::round(64.0f *
                         (width == 0.0f ? 1.0f : width * bell(random_))) /
              64.0f;
        }
      }
      const std::vector<int32_t> tokens =
          Choose(logits, stride, vocabulary, rows);
      for (size_t row = 0; row < rows.size(); ++row) {
        const auto begin = logits.begin() + static_cast<int64_t>(row) * stride;
        const int want =
            Want(std::vector<float>(begin, begin + vocabulary), rows[row]);
        if (want < 0) continue;
        ++decided;
        EXPECT_EQ(tokens[row], want) << "vocabulary " << vocabulary
                                     << ", width " << width << ", row " << row;
      }
    }
  }
  EXPECT_GT(decided, 250);
}

TEST_F(SampleTest, LogitsThatAreNotFiniteAreTold) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float wrong : {infinity, -infinity, nan}) {
    for (const double temperature : {0.0, 1.0}) {
      std::vector<float> logits(200, 1.0f);
      logits[177] = wrong;
      const SampleRow row = {temperature, 0.9, 0.5};
      const std::vector<int32_t> tokens = Choose(logits, 100, 100, {row, row});
      EXPECT_GE(tokens[0], 0);
      EXPECT_EQ(tokens[1], SampleArgs::kNotFinite);
    }
  }
}

}  // namespace
}  // namespace cooper::cuda
