#include "model/torch/cpu/block_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace cooper::torch_model::block_attention {
namespace {

// Of every instruction set that this processor runs.
std::vector<const Kernels*> AllBuilds() {
  std::vector<const Kernels*> builds = {BaselineKernels()};
  if (Avx2Kernels() != nullptr) builds.push_back(Avx2Kernels());
  if (Avx512Kernels() != nullptr) builds.push_back(Avx512Kernels());
  return builds;
}

// Rows of queries, and the tokens that they see.
struct Problem {
  Problem(int64_t rows, int64_t heads, int64_t dim, int64_t tokens, bool causal)
      : rows(rows), heads(heads), dim(dim), tokens(tokens), causal(causal) {
    std::mt19937 random(static_cast<uint32_t>(rows * 1000 + tokens + dim));
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float>* values, int64_t size) {
      values->resize(size);
      for (float& value : *values) value = normal(random);
    };
    fill(&query, rows * stride());
    fill(&keys, tokens * dim);
    fill(&values, tokens * dim);
  }
  int64_t stride() const { return heads * dim + 5; }
  int64_t visible(int64_t row) const {
    return causal ? tokens - rows + 1 + row : tokens;
  }

  // Rows [begin, end), [rows, heads, dim].
  std::vector<float> Run(const Kernels& kernels, int64_t begin,
                         int64_t end) const {
    std::vector<float> packed_keys(KeyFloats(kernels, tokens, dim));
    std::vector<float> packed_values(ValueFloats(kernels, tokens, dim));
    const int64_t value_stride = ValueFloats(kernels, 1, dim);
    for (int64_t t = 0; t < tokens; t += kernels.panel_tokens) {
      const int64_t count = std::min(kernels.panel_tokens, tokens - t);
      std::vector<const float*> key_rows;
      std::vector<const float*> value_rows;
      for (int64_t i = t; i < t + count; ++i) {
        key_rows.push_back(keys.data() + i * dim);
        value_rows.push_back(values.data() + i * dim);
      }
      kernels.pack_keys(key_rows.data(), count, dim,
                        packed_keys.data() + t * dim);
      kernels.pack_values(value_rows.data(), count, dim,
                          packed_values.data() + t * value_stride);
    }
    Queries queries;
    queries.query = query.data() + begin * stride();
    queries.row_stride = stride();
    queries.rows = end - begin;
    queries.heads = heads;
    queries.dim = dim;
    queries.scale = scale;
    queries.visible = visible(begin);
    queries.visible_step = causal ? 1 : 0;
    std::vector<float> scratch(
        ScratchFloats(kernels, queries.rows, heads, dim));
    std::vector<float> out((end - begin) * heads * dim);
    kernels.attend(queries, {packed_keys.data(), packed_values.data(), tokens},
                   scratch.data(), out.data(), heads * dim);
    return out;
  }

  // In double.
  std::vector<double> Expected() const {
    std::vector<double> out(rows * heads * dim);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t h = 0; h < heads; ++h) {
        const float* q = query.data() + r * stride() + h * dim;
        std::vector<double> weights(visible(r));
        for (size_t t = 0; t < weights.size(); ++t) {
          for (int64_t i = 0; i < dim; ++i) {
            weights[t] += double{q[i]} * keys[t * dim + i];
          }
          weights[t] *= double{scale};
        }
        const double largest =
            *std::max_element(weights.begin(), weights.end());
        double sum = 0.0;
        for (double& weight : weights) {
          weight = std::exp(weight - largest);
          sum += weight;
        }
        for (size_t t = 0; t < weights.size(); ++t) {
          for (int64_t i = 0; i < dim; ++i) {
            out[(r * heads + h) * dim + i] +=
                weights[t] / sum * values[t * dim + i];
          }
        }
      }
    }
    return out;
  }

  const int64_t rows, heads, dim, tokens;
  const bool causal;
  float scale = 0.3f;
  std::vector<float> query, keys, values;
};

class BlockAttentionTest : public ::testing::TestWithParam<const Kernels*> {};

// Sizes around a vector's width, a tile and a block.
TEST_P(BlockAttentionTest, IsTheSoftmaxOfTheScoresTimesTheValues) {
  for (const int64_t dim : {2, 8, 24, 64, 72, 128}) {
    for (const int64_t heads : {1, 4, 7}) {
      for (const int64_t tokens : {9, 63, 64, 65, 200}) {
        for (const int64_t rows : {1, 2, 9}) {
          for (const bool causal : {false, true}) {
            const Problem problem(rows, heads, dim, tokens, causal);
            const std::vector<float> got = problem.Run(*GetParam(), 0, rows);
            const std::vector<double> want = problem.Expected();
            double largest = 0.0;
            for (size_t i = 0; i < got.size(); ++i) {
              largest = std::max(largest, std::abs(got[i] - want[i]));
            }
            EXPECT_LT(largest, 1e-5)
                << "dim " << dim << ", heads " << heads << ", tokens " << tokens
                << ", rows " << rows << ", causal " << causal;
          }
        }
      }
    }
  }
}

TEST_P(BlockAttentionTest, ARowIsTheSameToTheBitWhateverGoesWithIt) {
  for (const bool causal : {false, true}) {
    const Problem problem(40, 4, 24, 150, causal);
    const std::vector<float> whole = problem.Run(*GetParam(), 0, problem.rows);
    for (int64_t begin = 0; begin < problem.rows;) {
      const int64_t end = std::min(problem.rows, begin + 1 + begin % 5);
      const std::vector<float> part = problem.Run(*GetParam(), begin, end);
      EXPECT_TRUE(
          std::equal(part.begin(), part.end(), whole.begin() + begin * 4 * 24))
          << "rows " << begin << " to " << end << ", causal " << causal;
      begin = end;
    }
  }
}

// exp of a score itself would be infinite; most weights are all but 0.
TEST_P(BlockAttentionTest, LargeScoresDoNotOverflow) {
  Problem problem(5, 2, 64, 200, false);
  problem.scale = 30.0f;
  const std::vector<float> got = problem.Run(*GetParam(), 0, problem.rows);
  const std::vector<double> want = problem.Expected();
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-3);
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, BlockAttentionTest,
                         ::testing::ValuesIn(AllBuilds()),
                         [](const auto& param) {
                           return std::string(param.param->name);
                         });

}  // namespace
}  // namespace cooper::torch_model::block_attention
