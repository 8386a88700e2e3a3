#include "server/engine/memory/prefix_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "model/fake/fake_context.h"
#include "server/engine/memory/prefix_key.h"

namespace cooper::engine {
namespace {

using Holder = KvLedger::Holder;

// Contexts are made by appending texts of ten tokens.
class PrefixCacheTest : public ::testing::Test {
 protected:
  static constexpr int64_t kTokens = 10;

  explicit PrefixCacheTest(int64_t max_tokens = 40, int64_t page = 1)
      : ledger_(100, page), cache_(&ledger_, max_tokens) {
    pool_->capacity_tokens = 100;
  }

  static base::Digest Key(const base::Digest& before, int text) {
    return TextPrefix(before, std::vector<model::TokenId>(kTokens, text));
  }
  base::Digest Add(const base::Digest& before, int text) {
    const base::Digest key = Key(before, text);
    fake::FakeContext context(pool_);
    context.Append(std::vector<model::TokenId>(kTokens, text), 1, text);
    cache_.Insert(before, key, context, kTokens);
    return key;
  }
  bool Has(const base::Digest& key) { return cache_.Find(key) != nullptr; }

  std::shared_ptr<fake::FakePool> pool_ = std::make_shared<fake::FakePool>();
  KvLedger ledger_;
  PrefixCache cache_;
};

TEST_F(PrefixCacheTest, GivesForksOfWhatWasInserted) {
  fake::FakeContext context(pool_);
  context.Append({1, 2, 3}, 3, 7);
  const base::Digest key = TextPrefix(EmptyPrefix(), {1, 2, 3});
  cache_.Insert(EmptyPrefix(), key, context, 3);
  const auto hit = cache_.Find(key);
  ASSERT_NE(hit, nullptr);
  EXPECT_EQ(hit->cache_length(), 3);
  EXPECT_EQ(hit->lineage(), context.lineage());
  EXPECT_EQ(pool_->used_tokens, 3);
  EXPECT_EQ(cache_.Find(TextPrefix(EmptyPrefix(), {1, 2})), nullptr);
}

TEST_F(PrefixCacheTest, DropsTheLeastRecentlyUsedFirst) {
  const base::Digest a = Add(EmptyPrefix(), 1);
  const base::Digest b = Add(EmptyPrefix(), 2);
  const base::Digest c = Add(EmptyPrefix(), 3);
  const base::Digest d = Add(EmptyPrefix(), 4);
  EXPECT_EQ(cache_.held_tokens(), 40);
  EXPECT_TRUE(Has(a));
  const base::Digest e = Add(EmptyPrefix(), 5);
  EXPECT_FALSE(Has(b));
  for (const base::Digest& key : {a, c, d, e}) EXPECT_TRUE(Has(key));
  EXPECT_EQ(cache_.held_tokens(), 40);
  EXPECT_EQ(cache_.TakeCounts().evictions, 1);
}

TEST_F(PrefixCacheTest, AParentStaysAsLongAsItsChildren) {
  const base::Digest root = Add(EmptyPrefix(), 1);
  const base::Digest child = Add(root, 2);
  const base::Digest other = Add(EmptyPrefix(), 3);
  const base::Digest leaf = Add(child, 4);
  Add(EmptyPrefix(), 5);
  EXPECT_FALSE(Has(other));
  for (const base::Digest& key : {root, child, leaf}) EXPECT_TRUE(Has(key));
  Add(EmptyPrefix(), 6);
  Add(EmptyPrefix(), 7);
  EXPECT_FALSE(Has(leaf));
  for (const base::Digest& key : {child, root}) EXPECT_TRUE(Has(key));
}

TEST_F(PrefixCacheTest, AChainThatFillsTheCacheStays) {
  base::Digest key = EmptyPrefix();
  std::vector<base::Digest> chain;
  chain.reserve(6);
  for (int i = 0; i < 6; ++i) chain.push_back(key = Add(key, i));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(Has(chain[i]), i < 4) << i;
  EXPECT_EQ(cache_.TakeCounts().evictions, 0);
}

TEST_F(PrefixCacheTest, TakesNothingWithoutItsParentOrTwice) {
  Add(Key(EmptyPrefix(), 1), 2);
  EXPECT_EQ(cache_.entries(), 0);
  Add(EmptyPrefix(), 1);
  Add(EmptyPrefix(), 1);
  EXPECT_EQ(cache_.entries(), 1);
  EXPECT_EQ(cache_.held_tokens(), kTokens);
}

TEST_F(PrefixCacheTest, GivesWayToRequests) {
  Add(EmptyPrefix(), 1);
  const base::Digest b = Add(EmptyPrefix(), 2);
  EXPECT_TRUE(cache_.ReserveForRequest(75));
  EXPECT_EQ(cache_.entries(), 2);
  EXPECT_TRUE(cache_.ReserveForRequest(15));
  EXPECT_EQ(cache_.entries(), 1);
  EXPECT_TRUE(Has(b));
  // What cannot be had at all costs the cache nothing.
  EXPECT_FALSE(cache_.ReserveForRequest(11));
  EXPECT_TRUE(Has(b));
  EXPECT_EQ(ledger_.held(Holder::kRequests), 90);
  EXPECT_EQ(ledger_.free(), 0);
  // Nor does the cache take what requests may need.
  Add(EmptyPrefix(), 3);
  EXPECT_EQ(ledger_.free(), 0);
}

TEST_F(PrefixCacheTest, OneABatchEncodesAKey) {
  const base::Digest key = Key(EmptyPrefix(), 1);
  EXPECT_TRUE(cache_.Claim(key));
  EXPECT_FALSE(cache_.Claim(key));
  EXPECT_TRUE(cache_.Claim(Key(EmptyPrefix(), 2)));
  cache_.EndBatch();
  EXPECT_TRUE(cache_.Claim(key));
}

class PagedPrefixCacheTest : public PrefixCacheTest {
 protected:
  PagedPrefixCacheTest() : PrefixCacheTest(40, 16) {}
};

TEST_F(PagedPrefixCacheTest, CountsThePagesThatAnEntryMayTake) {
  EXPECT_TRUE(cache_.CanHold(10));
  EXPECT_FALSE(cache_.CanHold(11));
  Add(EmptyPrefix(), 1);
  EXPECT_EQ(cache_.held_tokens(), 40);
}

class NoPrefixCacheTest : public PrefixCacheTest {
 protected:
  NoPrefixCacheTest() : PrefixCacheTest(0) {}
};

TEST_F(NoPrefixCacheTest, HoldsNothing) {
  Add(EmptyPrefix(), 1);
  EXPECT_EQ(cache_.entries(), 0);
  EXPECT_EQ(pool_->used_tokens, 0);
}

TEST(PrefixKeyTest, TellsEverythingApartThatMatters) {
  const base::Digest file = base::Hasher().Add("file").Finish();
  const base::Digest other = base::Hasher().Add("other").Finish();
  const base::Digest before = TextPrefix(EmptyPrefix(), {1});
  const base::Digest keys[] = {
      EmptyPrefix(),
      before,
      TextPrefix(before, {1}),
      TextPrefix(EmptyPrefix(), {1, 1}),
      TextPrefix(EmptyPrefix(), {}),
      VisionPrefix(before, file, {32, 16}),
      VisionPrefix(before, file, {16, 32}),
      VisionPrefix(before, other, {32, 16}),
      VisionPrefix(EmptyPrefix(), file, {32, 16}),
      LatentPrefix(before, file, {32, 16}),
      LatentPrefix(before, other, {32, 16}),
      LatentPrefix(before, file, {16, 32}),
  };
  for (const base::Digest& a : keys) {
    for (const base::Digest& b : keys) EXPECT_EQ(a == b, &a == &b);
  }
  EXPECT_EQ(TextPrefix(before, {5, 6}), TextPrefix(before, {5, 6}));
}

}  // namespace
}  // namespace cooper::engine
