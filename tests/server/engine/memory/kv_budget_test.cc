#include "server/engine/memory/kv_budget.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/fake/fake_context.h"
#include "server/engine/memory/prefix_key.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

constexpr char kClient[] = "client";

// A pool of 100 tokens of 2 bytes, of which prefixes and sessions may have 40
// each.
class KvBudgetTest : public ::testing::Test {
 protected:
  KvBudgetTest() {
    pool_->capacity_tokens = 1000;
    kv_.emplace(Info(), KvBudget::Options{80, 80, absl::Minutes(1)});
  }
  ~KvBudgetTest() override {
    kv_.reset();
    EXPECT_EQ(pool_->contexts, 0);
  }

  static model::ModelInfo Info() {
    model::ModelInfo info;
    info.kv_capacity_tokens = 100;
    info.kv_bytes_per_token = 2;
    return info;
  }
  std::unique_ptr<fake::FakeContext> Context(int tokens, int content = 1) {
    auto context = std::make_unique<fake::FakeContext>(pool_);
    context->Append(std::vector<model::TokenId>(tokens, content), tokens,
                    content);
    return context;
  }
  void CachePrefix(int tokens, int content) {
    const auto key =
        TextPrefix(EmptyPrefix(), std::vector<model::TokenId>(tokens, content));
    kv_->prefixes()->Insert(EmptyPrefix(), key, *Context(tokens, content),
                            tokens);
  }
  static SessionUse Session(const std::string& id) {
    SessionUse session;
    session.id = id;
    return session;
  }
  // A turn that leaves a session of `tokens`.
  int64_t KeepSession(const std::string& id, int tokens,
                      absl::Time now = absl::UnixEpoch()) {
    EXPECT_TRUE(kv_->Reserve(tokens, id));
    SessionContexts contexts;
    contexts.cond = Context(tokens);
    return kv_->ReleaseAndKeep(tokens, Session(id), kClient, SessionFacts{},
                               std::move(contexts), now);
  }

  std::shared_ptr<fake::FakePool> pool_ = std::make_shared<fake::FakePool>();
  std::optional<KvBudget> kv_;
};

TEST_F(KvBudgetTest, RequestsReserveUpToThePool) {
  EXPECT_EQ(kv_->capacity_tokens(), 100);
  EXPECT_TRUE(kv_->Reserve(60, ""));
  EXPECT_FALSE(kv_->Reserve(41, ""));
  EXPECT_TRUE(kv_->Reserve(40, ""));
  kv_->Release(60);
  EXPECT_TRUE(kv_->Reserve(60, ""));
}

TEST_F(KvBudgetTest, PrefixesGiveWayBeforeSessions) {
  CachePrefix(30, 1);
  EXPECT_EQ(KeepSession("a", 30), 30);
  EXPECT_TRUE(kv_->Reserve(70, ""));
  EXPECT_EQ(kv_->prefixes()->entries(), 0);
  EXPECT_EQ(kv_->sessions().sessions(), 1);
}

TEST_F(KvBudgetTest, TheOldestIdleSessionGivesWayFirst) {
  KeepSession("old", 20);
  KeepSession("new", 20, absl::UnixEpoch() + absl::Seconds(1));
  EXPECT_TRUE(kv_->Reserve(80, ""));
  EXPECT_EQ(kv_->sessions().HeldBy("old"), 0);
  EXPECT_EQ(kv_->sessions().HeldBy("new"), 20);
  EXPECT_EQ(kv_->TakeReport(0).evicted_sessions.memory, 1);
}

TEST_F(KvBudgetTest, NothingIsEvictedInVain) {
  CachePrefix(10, 1);
  KeepSession("a", 20);
  EXPECT_TRUE(kv_->Reserve(50, ""));
  EXPECT_FALSE(kv_->Reserve(51, ""));
  EXPECT_EQ(kv_->prefixes()->entries(), 1);
  EXPECT_EQ(kv_->sessions().sessions(), 1);
}

TEST_F(KvBudgetTest, ATurnDoesNotEvictItsOwnSession) {
  KeepSession("a", 30);
  EXPECT_FALSE(kv_->Reserve(71, "a"));
  EXPECT_TRUE(kv_->Reserve(70, "a"));
  EXPECT_EQ(kv_->sessions().HeldBy("a"), 30);
}

TEST_F(KvBudgetTest, ASessionWhoseTurnRunsIsNotEvicted) {
  KeepSession("a", 30);
  ASSERT_OK(kv_->sessions().Claim("a", kClient));
  ASSERT_OK(kv_->sessions().Begin("a"));
  EXPECT_FALSE(kv_->Reserve(71, ""));
}

TEST_F(KvBudgetTest, ATurnsReservationBecomesItsSessions) {
  EXPECT_EQ(KeepSession("a", 10), 10);
  EXPECT_TRUE(kv_->Reserve(90, "a"));
  SessionContexts contexts;
  contexts.cond = Context(35);
  EXPECT_EQ(kv_->ReleaseAndKeep(90, Session("a"), kClient, SessionFacts{},
                                std::move(contexts), absl::UnixEpoch()),
            35);
  EXPECT_TRUE(kv_->Reserve(65, "a"));
}

TEST_F(KvBudgetTest, ASessionOverItsQuotaIsNotKept) {
  EXPECT_EQ(KeepSession("a", 41), 0);
  EXPECT_EQ(kv_->sessions().sessions(), 0);
  EXPECT_TRUE(kv_->Reserve(100, ""));
}

TEST_F(KvBudgetTest, WithoutRoomForPrefixesThereIsNoCache) {
  KvBudget none(Info(), {0, 80, absl::Minutes(1)});
  EXPECT_EQ(none.prefixes(), nullptr);
  KvBudget quarter(Info(), {-1, -1, absl::Minutes(1)});
  ASSERT_NE(quarter.prefixes(), nullptr);
  EXPECT_TRUE(quarter.prefixes()->CanHold(25));
  EXPECT_FALSE(quarter.prefixes()->CanHold(26));
}

TEST_F(KvBudgetTest, ReportsWhoHoldsWhat) {
  CachePrefix(10, 1);
  KeepSession("a", 30);
  EXPECT_TRUE(kv_->Reserve(40, ""));
  const KvBudget::Report report = kv_->TakeReport(160);
  EXPECT_EQ(report.used.prefix_cache, 20);
  EXPECT_EQ(report.used.sessions, 60);
  EXPECT_EQ(report.used.requests, 80);
  EXPECT_EQ(report.sessions, 1);
}

}  // namespace
}  // namespace cooper::engine
