// Attention of decoded tokens under the emulator against plain C++.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "tests/cuda/kernels_fixture.h"

namespace cooper::cuda {
namespace {

using PagedDecodeTest = CudaKernelsTest;

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

TEST_P(PagedDecodeTest, PagedDecodeAttendsToTheContextAlone) {
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
TEST_P(PagedDecodeTest, PagedDecodeHasTheSameBitsAloneAndBesideOthers) {
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

TEST_P(PagedDecodeTest, ChunksStayBoundedForLongContexts) {
  EXPECT_EQ(PagedDecodeArgs::ChunkPages(1), 4);
  EXPECT_EQ(PagedDecodeArgs::ChunkPages(256), 4);
  EXPECT_EQ(PagedDecodeArgs::ChunkPages(257), 8);
  PagedDecodeArgs args;
  args.most_pages = 10000;
  EXPECT_LE(args.most_chunks(), 64);
}

INSTANTIATE_TEST_SUITE_P(Types, PagedDecodeTest,
                         ::testing::Values(Type::kFloat32, Type::kBFloat16),
                         NameOfType);

}  // namespace
}  // namespace cooper::cuda
