#include "model/fake/fake_context.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace cooper::fake {
namespace {

std::shared_ptr<FakePool> Pool(int64_t capacity = 100) {
  auto pool = std::make_shared<FakePool>();
  pool->capacity_tokens = capacity;
  return pool;
}

FakeContext& Fake(const std::unique_ptr<model::Context>& context) {
  return static_cast<FakeContext&>(*context);
}

TEST(FakeContextTest, CountsTokensAndPositionsApart) {
  FakeContext context(Pool());
  ASSERT_TRUE(context.Append({1, 2, 3}, 3, 0));
  ASSERT_TRUE(context.Append({258, -1, -1, 259}, 1, 0));
  EXPECT_EQ(context.cache_length(), 7);
  EXPECT_EQ(context.next_position(), 4);
}

TEST(FakeContextTest, ForksShareWhatTheyHaveInCommon) {
  const auto pool = Pool();
  {
    FakeContext context(pool);
    ASSERT_TRUE(context.Append({1, 2, 3}, 3, 0));
    const auto fork = context.Fork();
    EXPECT_EQ(pool->used_tokens, 3);
    ASSERT_TRUE(context.Append({4}, 1, 0));
    ASSERT_TRUE(Fake(fork).Append({5, 6}, 2, 0));
    EXPECT_EQ(pool->used_tokens, 6);
    EXPECT_EQ(pool->contexts, 2);
    EXPECT_EQ(context.Ids(), (std::vector<model::TokenId>{1, 2, 3, 4}));
    EXPECT_EQ(Fake(fork).Ids(), (std::vector<model::TokenId>{1, 2, 3, 5, 6}));
  }
  EXPECT_EQ(pool->used_tokens, 0);
  EXPECT_EQ(pool->contexts, 0);
}

TEST(FakeContextTest, LineageIsEqualForUnchangedForksOnly) {
  const auto pool = Pool();
  FakeContext empty(pool);
  FakeContext other(pool);
  EXPECT_EQ(empty.lineage(), other.lineage());
  ASSERT_TRUE(empty.Append({1}, 1, 0));
  ASSERT_TRUE(other.Append({1}, 1, 0));
  EXPECT_NE(empty.lineage(), other.lineage());  // equal, but not by descent
  const auto fork = empty.Fork();
  EXPECT_EQ(fork->lineage(), empty.lineage());
  EXPECT_EQ(fork->Fork()->lineage(), empty.lineage());
  ASSERT_TRUE(Fake(fork).Append({2}, 1, 0));
  EXPECT_NE(fork->lineage(), empty.lineage());
}

TEST(FakeContextTest, EqualContentHasAnEqualHashWhateverItsLineage) {
  const auto pool = Pool();
  FakeContext a(pool);
  FakeContext b(pool);
  ASSERT_TRUE(a.Append({1}, 1, 11));
  ASSERT_TRUE(b.Append({1}, 1, 11));
  EXPECT_EQ(a.content_hash(), b.content_hash());
  ASSERT_TRUE(a.Append({2}, 1, 22));
  EXPECT_NE(a.content_hash(), b.content_hash());
}

TEST(FakeContextTest, AFullPoolChangesNothing) {
  const auto pool = Pool(4);
  FakeContext context(pool);
  ASSERT_TRUE(context.Append({1, 2, 3}, 3, 0));
  const uint64_t lineage = context.lineage();
  EXPECT_FALSE(context.Append({4, 5}, 2, 0));
  EXPECT_EQ(context.cache_length(), 3);
  EXPECT_EQ(context.lineage(), lineage);
  EXPECT_TRUE(context.Append({4}, 1, 0));
}

TEST(FakeContextTest, ATextIsTheSameInWhateverParts) {
  FakeContext whole(Pool()), parts(Pool()), other(Pool());
  ASSERT_TRUE(whole.AppendText({1, 2, 3}));
  ASSERT_TRUE(parts.AppendText({1, 2}));
  ASSERT_TRUE(parts.AppendText({3}));
  ASSERT_TRUE(other.AppendText({1, 3, 2}));
  EXPECT_EQ(whole.content_hash(), parts.content_hash());
  EXPECT_EQ(whole.next_position(), parts.next_position());
  EXPECT_NE(whole.content_hash(), other.content_hash());
}

}  // namespace
}  // namespace cooper::fake
