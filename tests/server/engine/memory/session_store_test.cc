#include "server/engine/memory/session_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "model/fake/fake_context.h"
#include "server/engine/core/error.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using Holder = KvLedger::Holder;

class SessionStoreTest : public ::testing::Test {
 protected:
  SessionStoreTest() { pool_->capacity_tokens = 1000; }

  SessionContexts Contexts(int tokens) {
    auto context = std::make_unique<fake::FakeContext>(pool_);
    context->Append(std::vector<model::TokenId>(tokens, 1), tokens, 1);
    SessionContexts contexts;
    contexts.no_image = context->Fork();
    contexts.cond = std::move(context);
    return contexts;
  }
  int64_t Keep(const std::string& id, int tokens,
               const std::string& client = "me") {
    return store_.Keep(id, client, SessionFacts{}, Contexts(tokens), 1000,
                       now_);
  }
  ErrorReason ClaimError(const std::string& id,
                         const std::string& client = "me") {
    return DetailsOf(store_.Claim(id, client).status()).reason;
  }
  bool Has(const std::string& id) { return store_.HeldBy(id) > 0; }

  std::shared_ptr<fake::FakePool> pool_ = std::make_shared<fake::FakePool>();
  absl::Time now_ = absl::UnixEpoch();
  KvLedger ledger_{100, 1};
  SessionStore store_{&ledger_, absl::Minutes(10), 40};
};

TEST_F(SessionStoreTest, GivesForksOfWhatWasKept) {
  EXPECT_EQ(Keep("a", 10), 10);
  ASSERT_OK(store_.Claim("a", "me"));
  const auto contexts = store_.Begin("a");
  ASSERT_OK(contexts);
  EXPECT_EQ(contexts->cond->cache_length(), 10);
  EXPECT_EQ(contexts->cond->lineage(), contexts->no_image->lineage());
  EXPECT_EQ(pool_->used_tokens, 10);
}

TEST_F(SessionStoreTest, BranchesThatPartedCountBoth) {
  SessionContexts contexts = Contexts(10);
  contexts.no_image = Contexts(4).cond;
  EXPECT_EQ(store_.Keep("a", "me", {}, std::move(contexts), 1000, now_), 14);
  EXPECT_EQ(ledger_.held(Holder::kSessions), 14);
  contexts = Contexts(10);
  contexts.no_image = Contexts(4).cond;
  SessionFacts facts;
  facts.shared_tokens = 3;
  EXPECT_EQ(store_.Keep("a", "me", facts, std::move(contexts), 1000, now_), 11);
  // Never more than what was there to be held.
  EXPECT_EQ(store_.Keep("b", "me", {}, Contexts(10), 8, now_), 8);
}

TEST_F(SessionStoreTest, OthersDoNotFindIt) {
  Keep("a", 10);
  EXPECT_EQ(ClaimError("a", "you"), ErrorReason::kSessionNotFound);
  EXPECT_EQ(ClaimError("b"), ErrorReason::kSessionNotFound);
  EXPECT_OK(store_.Claim("a", "me"));
}

TEST_F(SessionStoreTest, OneTurnAtATime) {
  Keep("a", 10);
  ASSERT_OK(store_.Claim("a", "me"));
  EXPECT_EQ(ClaimError("a"), ErrorReason::kSessionBusy);
  store_.Release("a", now_);
  ASSERT_OK(store_.Claim("a", "me"));
  Keep("a", 12);  // the turn ended
  EXPECT_OK(store_.Claim("a", "me"));
  EXPECT_EQ(ledger_.held(Holder::kSessions), 12);
}

TEST_F(SessionStoreTest, IdleSessionsExpire) {
  Keep("a", 10);
  Keep("b", 10);
  now_ += absl::Minutes(9);
  ASSERT_OK(store_.Claim("b", "me"));
  EXPECT_EQ(store_.next_expiry(), absl::UnixEpoch() + absl::Minutes(10));
  now_ += absl::Minutes(1);
  store_.Expire(now_);
  EXPECT_FALSE(Has("a"));
  EXPECT_TRUE(Has("b"));  // its turn is under way
  EXPECT_EQ(store_.next_expiry(), absl::InfiniteFuture());
  store_.Release("b", now_);
  EXPECT_EQ(store_.next_expiry(), now_ + absl::Minutes(10));
  EXPECT_EQ(store_.TakeCounts().expired, 1);
}

TEST_F(SessionStoreTest, TheLeastRecentlyUsedGoesForTheQuota) {
  for (const char* id : {"a", "b", "c"}) {
    Keep(id, 12);
    now_ += absl::Seconds(1);
  }
  ASSERT_OK(store_.Claim("a", "me"));
  store_.Release("a", now_);
  Keep("d", 12);
  EXPECT_TRUE(Has("a"));
  EXPECT_FALSE(Has("b"));
  EXPECT_EQ(store_.TakeCounts().quota, 1);
  EXPECT_EQ(ledger_.held(Holder::kSessions), 36);
}

TEST_F(SessionStoreTest, ASessionAboveTheQuotaIsNotKept) {
  Keep("a", 10);
  EXPECT_EQ(Keep("b", 41), 0);
  EXPECT_TRUE(Has("a"));
  EXPECT_EQ(Keep("a", 41), 0);  // it grew too large
  EXPECT_FALSE(Has("a"));
  EXPECT_EQ(store_.TakeCounts().quota, 2);
  EXPECT_EQ(ledger_.held(Holder::kSessions), 0);
  EXPECT_EQ(pool_->contexts, 0);
}

TEST_F(SessionStoreTest, ForARequestIdleOnesGoFirstAndRunningOnesNever) {
  for (const char* id : {"running", "claimed", "idle"}) {
    Keep(id, 10);
    now_ += absl::Seconds(1);
  }
  ASSERT_OK(store_.Claim("running", "me"));
  ASSERT_OK(store_.Begin("running"));
  ASSERT_OK(store_.Claim("claimed", "me"));
  EXPECT_EQ(store_.evictable_tokens(""), 20);
  EXPECT_EQ(store_.evictable_tokens("claimed"), 10);
  EXPECT_TRUE(store_.EvictForRequest(""));
  EXPECT_FALSE(Has("idle"));
  EXPECT_FALSE(store_.EvictForRequest("claimed"));
  EXPECT_TRUE(store_.EvictForRequest(""));
  EXPECT_EQ(DetailsOf(store_.Begin("claimed").status()).reason,
            ErrorReason::kSessionNotFound);
  EXPECT_FALSE(store_.EvictForRequest(""));
  EXPECT_TRUE(Has("running"));
  EXPECT_EQ(store_.TakeCounts().memory, 2);
}

}  // namespace
}  // namespace cooper::engine
