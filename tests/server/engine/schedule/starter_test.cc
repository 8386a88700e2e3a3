#include "server/engine/schedule/starter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/fake/fake_context.h"
#include "server/engine/core/error.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;

absl::Time At(double seconds) {
  return absl::UnixEpoch() + absl::Seconds(seconds);
}

WaitingRequest Waiting(absl::string_view client, double admitted,
                       Priority priority = Priority::kNormal) {
  return {priority, client, At(admitted)};
}

TEST(StarterTest, TheOneThatWaitsLongestGoesNext) {
  Starter starter({});
  EXPECT_EQ(
      starter.Next({Waiting("a", 2), Waiting("a", 1), Waiting("a", 3)}, At(10)),
      1);
  EXPECT_EQ(starter.Next({}, At(10)), std::nullopt);
}

TEST(StarterTest, TheClientThatHadLessGoesFirst) {
  Starter starter({});
  starter.Open("much");
  starter.Open("little");
  starter.Charge("much", absl::Seconds(5));
  EXPECT_EQ(starter.Next({Waiting("much", 1), Waiting("little", 2)}, At(3)), 1);
  starter.Close("much");
  starter.Close("little");
  EXPECT_EQ(starter.Next({Waiting("much", 1), Waiting("little", 2)}, At(3)), 0);
}

TEST(StarterTest, ALowOneThatWaitedGoesAfterEightNormalOnes) {
  Starter starter({});
  const std::vector<WaitingRequest> waiting = {Waiting("a", 0, Priority::kLow),
                                               Waiting("a", 90)};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(starter.Next(waiting, At(100)), 1);
    starter.Started(Priority::kNormal);
  }
  EXPECT_EQ(starter.Next(waiting, At(100)), 0);
  starter.Started(Priority::kLow);
  EXPECT_EQ(starter.Next(waiting, At(100)), 1);
}

TEST(StarterTest, RefusesWhatWaitedTooLong) {
  Starter starter({.queue_timeout = absl::Seconds(5)});
  EXPECT_EQ(starter.QueueDeadline(At(1)), At(6));
  EXPECT_OK(starter.CheckLate(Waiting("a", 1), At(5.9)));
  const absl::Status late = starter.CheckLate(Waiting("a", 1), At(6));
  EXPECT_THAT(late, StatusIs(absl::StatusCode::kResourceExhausted, _));
  EXPECT_EQ(DetailsOf(late).reason, ErrorReason::kQueueTimeout);
}

TEST(StarterTest, WithoutATimeoutItWaitsAsLongAsItMay) {
  Starter starter({});
  EXPECT_EQ(starter.QueueDeadline(At(1)), absl::InfiniteFuture());
  EXPECT_OK(starter.CheckLate(Waiting("a", 1), At(1e9)));
}

TEST(StarterTest, RefusesWhatCannotBeDoneInTime) {
  Starter starter({});
  starter.costs().Observe(BatchKind::kPrefill, 100, absl::Seconds(10), At(0));
  LeastWork least;
  least.prefill_rows = 100;
  WaitingRequest request = Waiting("a", 0);
  request.least = &least;
  // An estimate is believed with caution.
  request.deadline = At(7.6);
  EXPECT_OK(starter.CheckLate(request, At(0)));
  request.deadline = At(7.4);
  const absl::Status late = starter.CheckLate(request, At(0));
  EXPECT_THAT(late, StatusIs(absl::StatusCode::kDeadlineExceeded, _));
  EXPECT_EQ(DetailsOf(late).reason, ErrorReason::kDeadlineTooShort);
  request.least = nullptr;
  EXPECT_OK(starter.CheckLate(request, At(0)));
}

TEST(StarterTest, APromptThatMayBeCachedTakesNoTime) {
  Starter starter({.prefix_caching = true});
  starter.costs().Observe(BatchKind::kPrefill, 100, absl::Seconds(10), At(0));
  LeastWork least;
  least.prefill_rows = 100;
  WaitingRequest request = Waiting("a", 0);
  request.least = &least;
  request.deadline = At(1);
  EXPECT_OK(starter.CheckLate(request, At(0)));
}

TEST(StarterTest, LongTextsAreCutByWhatPrefillsTook) {
  Starter starter({});
  EXPECT_EQ(starter.MaxPrefillPart(8192, At(0)), 2048);
  EXPECT_EQ(starter.MaxPrefillPart(1000, At(0)), 1000);
  starter.costs().Observe(BatchKind::kPrefill, 1000, absl::Seconds(1), At(0));
  EXPECT_EQ(starter.MaxPrefillPart(8192, At(0)), 300);
  for (int i = 0; i < 100; ++i) {
    starter.costs().Observe(BatchKind::kPrefill, 1000, absl::Seconds(60),
                            At(1));
  }
  EXPECT_EQ(starter.MaxPrefillPart(8192, At(1)), 128);
}

TEST(CheckPaceTest, AMapIsLeftOnceItsPaceIsTooSlow) {
  const auto check = [](int done, double left) {
    return CheckPace(done, 10, absl::Seconds(done), absl::Seconds(left));
  };
  EXPECT_OK(check(2, 1));    // too early to tell
  EXPECT_OK(check(3, 5.5));  // seven seconds to go, with caution
  EXPECT_THAT(check(3, 5), StatusIs(absl::StatusCode::kDeadlineExceeded,
                                    HasSubstr("the map needs 7s more")));
  EXPECT_OK(check(9, 0.8));
}

TEST(CheckSizeTest, ComparesWithThePoolAndThePositions) {
  auto pool = std::make_shared<fake::FakePool>();
  pool->capacity_tokens = 100;
  model::ModelInfo info;
  info.kv_capacity_tokens = 100;
  info.kv_bytes_per_token = 1;
  KvBudget kv(info, {0, 50, absl::Minutes(1)});
  EXPECT_OK(CheckSize({100, 20}, nullptr, kv, 20));
  EXPECT_OK(CheckSize({100, 20}, nullptr, kv, 0));
  EXPECT_THAT(CheckSize({101, 20}, nullptr, kv, 20),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("may need 101 tokens")));
  EXPECT_THAT(CheckSize({100, 21}, nullptr, kv, 20),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("they take 21 positions")));

  // A turn's own session counts.
  SessionUse session;
  session.id = "s";
  SessionContexts contexts;
  auto context = std::make_unique<fake::FakeContext>(pool);
  context->Append({1, 2, 3}, 3, 1);
  contexts.cond = std::move(context);
  ASSERT_TRUE(kv.Reserve(3, "s"));
  kv.ReleaseAndKeep(3, session, "", SessionFacts{}, std::move(contexts), At(0));
  EXPECT_OK(CheckSize({97, 17}, &session, kv, 20));
  EXPECT_FALSE(CheckSize({98, 17}, &session, kv, 20).ok());
  EXPECT_FALSE(CheckSize({97, 18}, &session, kv, 20).ok());
}

}  // namespace
}  // namespace cooper::engine
