// The kernels under the emulator against plain C++.

#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/cuda/kernels_fixture.h"

namespace cooper::cuda {
namespace {

TEST_P(CudaKernelsTest, AddNormAddsThenNorms) {
  for (const int64_t width : {8, 96, 3584, 16384}) {
    for (const bool with_delta : {true, false}) {
      constexpr int64_t kRows = 3;
      Numbers x = Random(kRows * width);
      Numbers delta = Random(kRows * width);
      Numbers weight = Random(width);
      Numbers out(GetParam(), kRows * width);
      std::vector<float> sums;
      std::vector<float> want;
      for (int64_t row = 0; row < kRows; ++row) {
        double squares = 0.0;
        for (int64_t i = 0; i < width; ++i) {
          const size_t at = row * width + i;
          sums.push_back(x.Round(x[at] + (with_delta ? delta[at] : 0.0f)));
          squares += double{sums.back()} * sums.back();
        }
        const double factor =
            1.0 / std::sqrt(squares / static_cast<double>(width) + 1e-6);
        for (int64_t i = 0; i < width; ++i) {
          want.push_back(
              x.Round(static_cast<float>(sums[row * width + i] * factor)) *
              weight[i]);
        }
      }
      AddNormArgs args;
      args.type = GetParam();
      args.x = x.data();
      args.delta = with_delta ? delta.data() : nullptr;
      args.weight = weight.data();
      args.out = out.data();
      args.rows = kRows;
      args.width = width;
      args.eps = 1e-6f;
      EXPECT_EQ(launcher_.AddNorm(args, Stream()), 0);
      ExpectNear(x, sums);
      ExpectNear(out, want);
    }
  }
}

TEST_P(CudaKernelsTest, SiluMulGates) {
  constexpr int64_t kRows = 3;
  constexpr int64_t kWidth = 520;
  Numbers gate_up = Random(kRows * 2 * kWidth);
  Numbers out(GetParam(), kRows * kWidth);
  std::vector<float> want;
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t i = 0; i < kWidth; ++i) {
      const float gate = gate_up[row * 2 * kWidth + i];
      want.push_back(gate_up.Round(gate / (1.0f + std::exp(-gate))) *
                     gate_up[row * 2 * kWidth + kWidth + i]);
    }
  }
  SiluMulArgs args;
  args.type = GetParam();
  args.gate_up = gate_up.data();
  args.out = out.data();
  args.rows = kRows;
  args.width = kWidth;
  EXPECT_EQ(launcher_.SiluMul(args, Stream()), 0);
  ExpectNear(out, want);
}

TEST_P(CudaKernelsTest, NormRopeTurnsQueryAndKeyHeadsOnly) {
  constexpr int kHeads = 5;
  constexpr int kKvHeads = 2;
  constexpr int64_t kRows = 3;
  for (const int dim : {8, 24, 128, 256}) {
    for (const bool with_norm : {true, false}) {
      const int64_t width = int64_t{kHeads + 2 * kKvHeads} * dim;
      Numbers qkv = Random(kRows * width);
      Numbers q_norm = Random(dim);
      Numbers k_norm = Random(dim);
      std::vector<float> cos;
      std::vector<float> sin;
      for (int64_t i = 0; i < kRows * dim / 2; ++i) {
        const float angle = 0.37f * static_cast<float>(i);
        cos.push_back(qkv.Round(std::cos(angle)));
        sin.push_back(qkv.Round(std::sin(angle)));
      }
      const bool wide[kRows] = {true, false, true};
      std::vector<float> want;
      for (int64_t row = 0; row < kRows; ++row) {
        const auto round = [&](float value) {
          return wide[row] ? value : qkv.Round(value);
        };
        for (int head = 0; head < kHeads + 2 * kKvHeads; ++head) {
          std::vector<float> x(dim);
          for (int i = 0; i < dim; ++i) {
            x[i] = qkv[row * width + int64_t{head} * dim + i];
          }
          if (head < kHeads + kKvHeads) {
            double squares = 0.0;
            for (const float value : x) squares += double{value} * value;
            const double factor = 1.0 / std::sqrt(squares / dim + 1e-6);
            const Numbers& weight = head < kHeads ? q_norm : k_norm;
            for (int i = 0; with_norm && i < dim; ++i) {
              x[i] =
                  round(round(static_cast<float>(x[i] * factor)) * weight[i]);
            }
            const std::vector<float> before = x;
            for (int i = 0; i < dim / 2; ++i) {
              const float c = cos[row * dim / 2 + i];
              const float s = sin[row * dim / 2 + i];
              const float a = before[i];
              const float b = before[dim / 2 + i];
              x[i] = round(a * c) - round(b * s);
              x[dim / 2 + i] = round(b * c) + round(a * s);
            }
          }
          want.insert(want.end(), x.begin(), x.end());
        }
      }
      NormRopeArgs args;
      args.type = GetParam();
      args.qkv = qkv.data();
      args.q_norm = with_norm ? q_norm.data() : nullptr;
      args.k_norm = with_norm ? k_norm.data() : nullptr;
      args.cos = cos.data();
      args.sin = sin.data();
      args.wide = wide;
      args.rows = kRows;
      args.heads = kHeads;
      args.kv_heads = kKvHeads;
      args.dim = dim;
      args.eps = 1e-6f;
      EXPECT_EQ(launcher_.NormRope(args, Stream()), 0);
      ExpectNear(qkv, want);
    }
  }
}

TEST_P(CudaKernelsTest, WriteCachePutsRowsIntoTheirSlots) {
  constexpr int64_t kHeads = 4;
  constexpr int64_t kKvHeads = 2;
  constexpr int64_t kDim = 12;
  constexpr int64_t kWidth = (kHeads + 2 * kKvHeads) * kDim;
  constexpr int64_t kKvWidth = kKvHeads * kDim;
  Numbers qkv = Random(4 * kWidth);
  const std::vector<int64_t> slots = {5, 0, 2};
  for (const std::vector<int64_t>& rows :
       {std::vector<int64_t>{3, 1, 2}, std::vector<int64_t>{}}) {
    Numbers keys(GetParam(), 6 * kKvWidth);
    Numbers values(GetParam(), 6 * kKvWidth);
    std::vector<float> want_keys(6 * kKvWidth);
    std::vector<float> want_values(6 * kKvWidth);
    for (size_t i = 0; i < slots.size(); ++i) {
      const auto row = rows.empty() ? static_cast<int64_t>(i) : rows[i];
      for (int64_t j = 0; j < kKvWidth; ++j) {
        const size_t from = row * kWidth + kHeads * kDim + j;
        want_keys[slots[i] * kKvWidth + j] = qkv[from];
        want_values[slots[i] * kKvWidth + j] = qkv[from + kKvWidth];
      }
    }
    WriteCacheArgs args;
    args.type = GetParam();
    args.qkv = qkv.data();
    args.rows = rows.empty() ? nullptr : rows.data();
    args.slots = slots.data();
    args.keys = keys.data();
    args.values = values.data();
    args.count = static_cast<int64_t>(slots.size());
    args.heads = static_cast<int>(kHeads);
    args.kv_heads = static_cast<int>(kKvHeads);
    args.dim = static_cast<int>(kDim);
    EXPECT_EQ(launcher_.WriteCache(args, Stream()), 0);
    ExpectNear(keys, want_keys);
    ExpectNear(values, want_values);
  }
}

TEST_P(CudaKernelsTest, GroupNormNormsEachGroup) {
  struct Case {
    int64_t pixels;
    int channels, groups;
    float offset;
  };
  for (const Case& c : {Case{1, 32, 32, 0.0f},
                        {63, 64, 32, 0.0f},
                        {1000, 128, 32, 3.0f},
                        {200, 512, 32, -1.0f},
                        {70000, 16, 4, 0.5f}}) {
    for (const bool silu : {false, true}) {
      Numbers given = Random(c.pixels * c.channels);
      for (size_t i = 0; i < given.size(); ++i) {
        given.Set(i, given[i] + c.offset);
      }
      // Half of the cases bring a bias of the image.
      Numbers x_bias = Random(c.channels);
      Numbers x = given;
      for (size_t i = 0; silu && i < x.size(); ++i) {
        x.Set(i, given[i] + x_bias[i % c.channels]);
      }
      Numbers weight = Random(c.channels);
      Numbers bias = Random(c.channels);
      std::vector<float> want(x.size());
      const int size = c.channels / c.groups;
      for (int group = 0; group < c.groups; ++group) {
        const auto each = [&](const auto& work) {
          for (int64_t pixel = 0; pixel < c.pixels; ++pixel) {
            for (int i = 0; i < size; ++i) {
              const int channel = group * size + i;
              work(pixel * c.channels + channel, channel);
            }
          }
        };
        const double count = double(c.pixels) * size;
        double sum = 0.0;
        each([&](size_t at, int) { sum += x[at]; });
        const double mean = sum / count;
        double squares = 0.0;
        each([&](size_t at, int) {
          squares += (x[at] - mean) * (x[at] - mean);
        });
        const double factor = 1.0 / std::sqrt(squares / count + 1e-6);
        each([&](size_t at, int channel) {
          const double value =
              (x[at] - mean) * factor * weight[channel] + bias[channel];
          const float normed = x.Round(static_cast<float>(value));
          want[at] = silu ? normed / (1.0f + std::exp(-normed)) : normed;
        });
      }
      Numbers out(GetParam(), x.size());
      GroupNormArgs args;
      args.type = GetParam();
      args.x = given.data();
      args.x_bias = silu ? x_bias.data() : nullptr;
      args.weight = weight.data();
      args.bias = bias.data();
      args.out = out.data();
      args.pixels = c.pixels;
      args.channels = c.channels;
      args.groups = c.groups;
      args.silu = silu;
      args.eps = 1e-6f;
      std::vector<float> partial(args.PartialFloats());
      args.partial = partial.data();
      EXPECT_EQ(launcher_.GroupNorm(args, Stream()), 0);
      ExpectNear(out, want);
    }
  }
}

TEST_P(CudaKernelsTest, AddBiasAddsTheResidualToo) {
  constexpr int64_t kPixels = 37;
  constexpr int kChannels = 24;
  for (const bool with_residual : {true, false}) {
    Numbers x = Random(kPixels * kChannels);
    Numbers bias = Random(kChannels);
    Numbers residual = Random(kPixels * kChannels);
    std::vector<float> want;
    for (size_t i = 0; i < x.size(); ++i) {
      const float biased = x.Round(x[i] + bias[i % kChannels]);
      want.push_back(biased + (with_residual ? residual[i] : 0.0f));
    }
    AddBiasArgs args;
    args.type = GetParam();
    args.x = x.data();
    args.bias = bias.data();
    args.residual = with_residual ? residual.data() : nullptr;
    args.out = x.data();
    args.pixels = kPixels;
    args.channels = kChannels;
    EXPECT_EQ(launcher_.AddBias(args, Stream()), 0);
    ExpectNear(x, want);
  }
}

TEST_P(CudaKernelsTest, NoRowsAreNoError) {
  AddNormArgs norm;
  norm.type = GetParam();
  norm.width = 64;
  EXPECT_EQ(launcher_.AddNorm(norm, Stream()), 0);
  SiluMulArgs silu;
  silu.width = 64;
  EXPECT_EQ(launcher_.SiluMul(silu, Stream()), 0);
  WriteCacheArgs write;
  write.kv_heads = 1;
  write.dim = 8;
  EXPECT_EQ(launcher_.WriteCache(write, Stream()), 0);
}

INSTANTIATE_TEST_SUITE_P(Types, CudaKernelsTest,
                         ::testing::Values(Type::kFloat32, Type::kBFloat16),
                         NameOfType);

}  // namespace
}  // namespace cooper::cuda
