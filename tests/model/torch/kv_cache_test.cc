#include "model/torch/kv_cache.h"

#include <ATen/ops/full.h>

#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

using cooper::testing::StatusIs;
using ::testing::_;

constexpr int64_t kPage = KvPool::kPageTokens;

class KvCacheTest : public ::testing::Test {
 protected:
  // Appends `tokens`, each with `value` as its key.
  absl::Status Append(PagedContext* context, int64_t tokens, float value) {
    const absl::Status status = context->Reserve(tokens);
    if (!status.ok()) return status;
    for (int64_t i = 0; i < tokens; ++i) {
      const int64_t slot = context->Slot(context->cache_length() + i);
      pool_.keys(0).select(0, slot).fill_(value);
    }
    context->Commit(tokens, tokens);
    return absl::OkStatus();
  }

  float Key(const PagedContext& context, int64_t index) {
    return pool_.keys(0)
        .select(0, context.Slot(index))
        .select(0, 0)
        .select(0, 0)
        .item<float>();
  }

  std::unique_ptr<PagedContext> Fork(const PagedContext& context) {
    return std::unique_ptr<PagedContext>(
        static_cast<PagedContext*>(context.Fork().release()));
  }

  KvPool pool_{KvPool::Shape{1, 1, 4}, /*pages=*/8, Device()};
};

TEST_F(KvCacheTest, AForkSharesEveryPage) {
  PagedContext context(&pool_);
  ASSERT_OK(Append(&context, 2 * kPage + 3, 1));
  EXPECT_EQ(pool_.used_pages(), 3);
  const auto fork = Fork(context);
  EXPECT_EQ(pool_.used_pages(), 3);
  EXPECT_EQ(fork->cache_length(), context.cache_length());
  EXPECT_EQ(fork->lineage(), context.lineage());
}

TEST_F(KvCacheTest, ForksThatGrowDoNotSeeEachOther) {
  PagedContext context(&pool_);
  ASSERT_OK(Append(&context, kPage + 3, 1));
  const auto fork = Fork(context);
  ASSERT_OK(Append(&context, 2, 2));
  ASSERT_OK(Append(fork.get(), 2, 3));
  // The page in which they part was copied once; the full one is shared.
  EXPECT_EQ(pool_.used_pages(), 3);
  EXPECT_EQ(context.Slot(0), fork->Slot(0));
  for (int64_t i = 0; i < kPage + 3; ++i) {
    EXPECT_EQ(Key(context, i), 1);
    EXPECT_EQ(Key(*fork, i), 1);
  }
  EXPECT_EQ(Key(context, kPage + 3), 2);
  EXPECT_EQ(Key(*fork, kPage + 3), 3);
  EXPECT_NE(fork->lineage(), context.lineage());
}

TEST_F(KvCacheTest, TheLastOwnerWritesInPlace) {
  auto first = std::make_unique<PagedContext>(&pool_);
  ASSERT_OK(Append(first.get(), 5, 1));
  const auto fork = Fork(*first);
  ASSERT_OK(Append(first.get(), 1, 2));
  first.reset();
  ASSERT_OK(Append(fork.get(), 1, 3));
  EXPECT_EQ(pool_.used_pages(), 1);
  EXPECT_EQ(Key(*fork, 4), 1);
  EXPECT_EQ(Key(*fork, 5), 3);
}

TEST_F(KvCacheTest, AFullPoolIsAStatusAndLeavesTheContextAsItWas) {
  PagedContext context(&pool_);
  ASSERT_OK(Append(&context, 7 * kPage, 1));
  EXPECT_THAT(context.Reserve(2 * kPage),
              StatusIs(absl::StatusCode::kResourceExhausted, _));
  EXPECT_EQ(context.cache_length(), 7 * kPage);
  EXPECT_EQ(pool_.used_pages(), 7);
  EXPECT_EQ(Key(context, 7 * kPage - 1), 1);
  EXPECT_OK(Append(&context, kPage, 2));
}

TEST_F(KvCacheTest, EveryPageComesBack) {
  {
    PagedContext context(&pool_);
    ASSERT_OK(Append(&context, kPage + 1, 1));
    const auto fork = Fork(context);
    ASSERT_OK(Append(fork.get(), kPage, 2));
    const auto second = Fork(*fork);
    ASSERT_OK(second->Reserve(3 * kPage));  // never committed
    EXPECT_GT(pool_.used_pages(), 0);
  }
  EXPECT_EQ(pool_.used_pages(), 0);
}

TEST_F(KvCacheTest, WhatWasReservedAndNotCommittedIsGivenBackByTheNext) {
  PagedContext context(&pool_);
  ASSERT_OK(context.Reserve(4 * kPage));
  EXPECT_EQ(pool_.used_pages(), 4);
  ASSERT_OK(Append(&context, 1, 1));
  EXPECT_EQ(pool_.used_pages(), 1);
}

TEST_F(KvCacheTest, EmptyContextsAreEqual) {
  EXPECT_EQ(PagedContext(&pool_).lineage(), PagedContext(&pool_).lineage());
}

}  // namespace
}  // namespace cooper::torch_model
