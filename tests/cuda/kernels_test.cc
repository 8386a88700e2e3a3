// The kernels under the emulator against plain C++.

#include "model/cuda/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "tests/cuda/emulated_launcher.h"

namespace cooper::cuda {
namespace {

// Numbers of a type, held as the kernels take them.
class Numbers {
 public:
  Numbers(Type type, size_t count)
      : type_(type), bytes_(count * (type == Type::kBFloat16 ? 2 : 4)) {}
  Numbers(Type type, const std::vector<float>& values)
      : Numbers(type, values.size()) {
    for (size_t i = 0; i < values.size(); ++i) Set(i, values[i]);
  }

  void* data() { return bytes_.data(); }
  size_t size() const {
    return bytes_.size() / (type_ == Type::kBFloat16 ? 2 : 4);
  }
  float operator[](size_t i) const {
    if (type_ == Type::kFloat32) {
      return reinterpret_cast<const float*>(bytes_.data())[i];
    }
    const uint32_t bits = reinterpret_cast<const uint16_t*>(bytes_.data())[i];
    return std::bit_cast<float>(bits << 16);
  }
  void Set(size_t i, float value) {
    if (type_ == Type::kFloat32) {
      reinterpret_cast<float*>(bytes_.data())[i] = value;
    } else {
      reinterpret_cast<uint16_t*>(bytes_.data())[i] =
          static_cast<uint16_t>(std::bit_cast<uint32_t>(Round(value)) >> 16);
    }
  }
  // To the nearest number of the type, ties to even.
  float Round(float value) const {
    if (type_ == Type::kFloat32) return value;
    const auto bits = std::bit_cast<uint32_t>(value);
    return std::bit_cast<float>((bits + 0x7fff + ((bits >> 16) & 1)) &
                                0xffff0000u);
  }

 private:
  Type type_;
  std::vector<unsigned char> bytes_;
};

class CudaKernelsTest : public ::testing::TestWithParam<Type> {
 protected:
  Numbers Random(size_t count, float scale = 1.0f) {
    std::normal_distribution<float> bell(0.0f, scale);
    Numbers numbers(GetParam(), count);
    for (size_t i = 0; i < count; ++i) numbers.Set(i, bell(random_));
    return numbers;
  }
  float tolerance() const {
    return GetParam() == Type::kBFloat16 ? 0.01f : 2e-5f;
  }
  void ExpectNear(const Numbers& got, const std::vector<float>& want) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_NEAR(got[i], want[i], tolerance() * (1.0f + std::abs(want[i])))
          << "at " << i;
    }
  }

  const Launcher& launcher_ = EmulatedLauncher();
  std::mt19937 random_{1};
};

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

// Contexts whose pages lie scattered over a pool, the rest of which is NaN.
class PagedContexts {
 public:
  static constexpr int kTokens = PagedDecodeArgs::kPageTokens;

  PagedContexts(Type type, std::vector<int64_t> lengths, int heads,
                int kv_heads, int dim)
      : lengths_(std::move(lengths)),
        heads_(heads),
        kv_heads_(kv_heads),
        dim_(dim),
        type_(type),
        keys_(type, 0),
        values_(type, 0),
        qkv_(type, 0) {
    std::mt19937 random(7);
    std::normal_distribution<float> bell;
    int64_t pages = 0;
    for (const int64_t length : lengths_) {
      most_pages_ = std::max(most_pages_, PagesOf(length));
      pages += PagesOf(length);
    }
    std::vector<int64_t> ids(pages);
    for (int64_t i = 0; i < pages; ++i) ids[i] = i;
    std::shuffle(ids.begin(), ids.end(), random);
    const std::vector<float> unwritten(pages * kTokens * kv_heads * dim,
                                       std::numeric_limits<float>::quiet_NaN());
    keys_ = Numbers(type, unwritten);
    values_ = Numbers(type, unwritten);
    for (size_t context = 0; context < lengths_.size(); ++context) {
      rows_.push_back(static_cast<int64_t>(lengths_.size() - context));
      for (int64_t page = 0; page < most_pages_; ++page) {
        const bool there = page < PagesOf(lengths_[context]);
        pages_.push_back(there ? ids.back() : 0);
        if (there) ids.pop_back();
      }
      for (int64_t token = 0; token < lengths_[context]; ++token) {
        for (int64_t i = 0; i < int64_t{kv_heads} * dim; ++i) {
          const size_t at = At(context, token) + i;
          keys_.Set(at, bell(random));
          values_.Set(at, bell(random));
        }
      }
    }
    qkv_ = Numbers(type, (lengths_.size() + 1) * QkvWidth());
    for (size_t i = 0; i < qkv_.size(); ++i) qkv_.Set(i, bell(random));
  }

  PagedDecodeArgs Args() {
    PagedDecodeArgs args;
    args.type = type_;
    args.qkv = qkv_.data();
    args.rows = rows_.data();
    args.pages = pages_.data();
    args.lengths = lengths_.data();
    args.keys = keys_.data();
    args.values = values_.data();
    args.contexts = static_cast<int64_t>(lengths_.size());
    args.most_pages = most_pages_;
    args.heads = heads_;
    args.kv_heads = kv_heads_;
    args.dim = dim_;
    args.scale = 1.0f / std::sqrt(static_cast<float>(dim_));
    partial_.assign(args.PartialFloats(),
                    std::numeric_limits<float>::quiet_NaN());
    args.partial = partial_.data();
    return args;
  }

  // [rows + 1, heads * dim]; row 0 is no context's.
  std::vector<float> Want() const {
    std::vector<float> out((lengths_.size() + 1) * heads_ * dim_);
    for (size_t context = 0; context < lengths_.size(); ++context) {
      for (int head = 0; head < heads_; ++head) {
        const size_t kv = size_t(head / (heads_ / kv_heads_)) * dim_;
        const size_t query = rows_[context] * QkvWidth() + size_t(head) * dim_;
        std::vector<double> weights;
        double sum = 0.0;
        for (int64_t token = 0; token < lengths_[context]; ++token) {
          double score = 0.0;
          for (int i = 0; i < dim_; ++i) {
            score +=
                double{qkv_[query + i]} * keys_[At(context, token) + kv + i];
          }
          weights.push_back(std::exp(score / std::sqrt(double(dim_))));
          sum += weights.back();
        }
        for (int i = 0; i < dim_; ++i) {
          double value = 0.0;
          for (int64_t token = 0; token < lengths_[context]; ++token) {
            value += weights[token] * values_[At(context, token) + kv + i];
          }
          out[(rows_[context] * heads_ + head) * dim_ + i] =
              static_cast<float>(value / sum);
        }
      }
    }
    return out;
  }

 private:
  static int64_t PagesOf(int64_t length) {
    return (length + kTokens - 1) / kTokens;
  }
  size_t QkvWidth() const { return size_t(heads_ + 2 * kv_heads_) * dim_; }
  size_t At(size_t context, int64_t token) const {
    return (pages_[context * most_pages_ + token / kTokens] * kTokens +
            token % kTokens) *
           kv_heads_ * dim_;
  }

  std::vector<int64_t> lengths_;
  const int heads_, kv_heads_, dim_;
  const Type type_;
  int64_t most_pages_ = 0;
  std::vector<int64_t> rows_, pages_;
  Numbers keys_, values_, qkv_;
  std::vector<float> partial_;
};

struct DecodeShape {
  int heads, kv_heads, dim;
};

TEST_P(CudaKernelsTest, PagedDecodeAttendsToTheContextAlone) {
  // A page, parts of pages, several chunks, and more than 64 of them.
  const std::vector<int64_t> lengths = {1, 64, 65, 300, 1023};
  for (const DecodeShape& shape : {DecodeShape{14, 2, 128},
                                   {8, 1, 128},
                                   {2, 2, 128},
                                   {4, 2, 24},
                                   {9, 1, 64}}) {
    PagedContexts contexts(GetParam(), lengths, shape.heads, shape.kv_heads,
                           shape.dim);
    PagedDecodeArgs args = contexts.Args();
    const std::vector<float> want = contexts.Want();
    Numbers out(GetParam(), want.size());
    args.out = out.data();
    EXPECT_EQ(launcher_.PagedDecode(args, Stream()), 0);
    ExpectNear(out, want);
  }
}

// How keys are cut follows from the context alone, so that the bits do not
// depend on what else is decoded.
TEST_P(CudaKernelsTest, PagedDecodeHasTheSameBitsAloneAndBesideOthers) {
  const DecodeShape shape = {7, 1, 128};
  PagedContexts together(GetParam(), {300, 2000}, shape.heads, shape.kv_heads,
                         shape.dim);
  PagedDecodeArgs args = together.Args();
  Numbers all(GetParam(), size_t{3} * shape.heads * shape.dim);
  args.out = all.data();
  EXPECT_EQ(launcher_.PagedDecode(args, Stream()), 0);
  Numbers alone(GetParam(), all.size());
  PagedDecodeArgs first = together.Args();
  first.contexts = 1;
  first.out = alone.data();
  EXPECT_EQ(launcher_.PagedDecode(first, Stream()), 0);
  // The first context has the last row.
  for (size_t i = 0; i < size_t(shape.heads) * shape.dim; ++i) {
    const size_t at = 2 * size_t(shape.heads) * shape.dim + i;
    ASSERT_EQ(alone[at], all[at]);
  }
}

TEST_P(CudaKernelsTest, ChunksStayBoundedForLongContexts) {
  EXPECT_EQ(PagedDecodeArgs::ChunkPages(1), 4);
  EXPECT_EQ(PagedDecodeArgs::ChunkPages(256), 4);
  EXPECT_EQ(PagedDecodeArgs::ChunkPages(257), 8);
  PagedDecodeArgs args;
  args.most_pages = 10000;
  EXPECT_LE(args.most_chunks(), 64);
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
      std::stable_sort(order.begin(), order.end(),
                       [&](int a, int b) { return weights[a] > weights[b]; });
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
      std::normal_distribution<float> bell(0.0f, width);
      std::vector<float> logits(rows.size() * stride,
                                std::numeric_limits<float>::infinity());
      for (size_t row = 0; row < rows.size(); ++row) {
        for (int64_t i = 0; i < vocabulary; ++i) {
          // Some are equal.
          logits[row * stride + i] =
              std::round(64.0f * (width == 0.0f ? 1.0f : bell(random_))) /
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
                         [](const auto& info) {
                           return info.param == Type::kFloat32 ? "Float32"
                                                               : "BFloat16";
                         });

}  // namespace
}  // namespace cooper::cuda
