#include "server/engine/schedule/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace cooper::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr BatchKind kDecode = BatchKind::kDecode;
constexpr BatchKind kPrefill = BatchKind::kPrefill;
constexpr BatchKind kDenoise = BatchKind::kDenoise;
constexpr BatchKind kVaeDecode = BatchKind::kVaeDecode;

absl::Time At(int seconds) { return absl::FromUnixSeconds(seconds); }

ReadyItem Item(int request, BatchKind kind, int64_t rows = 1, int since = 0,
               int priority = 0, int client = 0) {
  return {request, kind, rows, At(since), priority, client};
}

Budgets Small() { return {.prefill_rows = 100, .denoise_rows = 100}; }

// The kinds of the next `count` batches with the same things ready.
std::vector<BatchKind> Kinds(const std::vector<ReadyItem>& ready, int count,
                             const std::vector<BatchKind>& under_way = {}) {
  Scheduler scheduler(Small());
  std::vector<BatchKind> kinds;
  kinds.reserve(count);
  for (int i = 0; i < count; ++i) {
    kinds.push_back(scheduler.Plan(ready, under_way)->kind);
  }
  return kinds;
}

TEST(SchedulerTest, HasNothingToDoWhenNothingIsReady) {
  Scheduler scheduler(Small());
  EXPECT_FALSE(scheduler.Plan({}, {}).has_value());
}

TEST(SchedulerTest, DecodesAllTextsTogether) {
  Scheduler scheduler(Small());
  const auto batch = scheduler.Plan(
      {Item(0, kDecode), Item(1, kDecode), Item(2, kDecode)}, {});
  EXPECT_EQ(batch->kind, kDecode);
  EXPECT_THAT(batch->requests, ElementsAre(0, 1, 2));
}

TEST(SchedulerTest, APrefillBatchKeepsTheSmallerBudget) {
  Scheduler scheduler(Small());
  const std::vector<ReadyItem> ready = {
      Item(0, kPrefill, 40), Item(1, kPrefill, 40), Item(2, kPrefill, 20)};
  auto batch = scheduler.Plan(ready, {});
  EXPECT_THAT(batch->requests, ElementsAre(0, 1, 2));
  EXPECT_EQ(batch->max_rows, 100);
  batch = scheduler.Plan(ready, {}, /*max_prefill_rows=*/80);
  EXPECT_THAT(batch->requests, ElementsAre(0, 1));
  EXPECT_EQ(batch->max_rows, 80);
  batch = scheduler.Plan(ready, {}, /*max_prefill_rows=*/30);
  EXPECT_THAT(batch->requests, ElementsAre(0));
}

TEST(SchedulerTest, TextGoesFirstAndBetweenAnyTwoOtherBatches) {
  EXPECT_THAT(Kinds({Item(0, kDecode)}, 3),
              ElementsAre(kDecode, kDecode, kDecode));
  EXPECT_THAT(Kinds({Item(0, kDecode), Item(1, kDenoise)}, 4),
              ElementsAre(kDecode, kDenoise, kDecode, kDenoise));
  EXPECT_THAT(Kinds({Item(0, kDecode)}, 4, /*under_way=*/{kDenoise}),
              ElementsAre(kDecode, kDenoise, kDecode, kDenoise));
  EXPECT_THAT(Kinds({Item(0, kDecode), Item(1, kDenoise), Item(2, kPrefill),
                     Item(3, kVaeDecode)},
                    8),
              ElementsAre(kDecode, kPrefill, kDecode, kVaeDecode, kDecode,
                          kDenoise, kDecode, kPrefill));
}

TEST(SchedulerTest, OtherKindsTakeTurns) {
  EXPECT_THAT(Kinds({Item(0, kDenoise), Item(1, kPrefill)}, 4),
              ElementsAre(kPrefill, kDenoise, kPrefill, kDenoise));
  EXPECT_THAT(Kinds({Item(0, kDenoise)}, 2), ElementsAre(kDenoise, kDenoise));
}

TEST(SchedulerTest, FillsAnPrefillBatchUpToItsBudgetOldestFirst) {
  const struct {
    const char* name;
    std::vector<ReadyItem> ready;
    std::vector<int> requests;
  } cases[] = {
      {"all fit", {Item(0, kPrefill, 40, 2), Item(1, kPrefill, 60, 1)}, {1, 0}},
      {"one too many",
       {Item(0, kPrefill, 41, 2), Item(1, kPrefill, 60, 1)},
       {1}},
      {"too large goes alone",
       {Item(0, kPrefill, 500, 1), Item(1, kPrefill, 1, 2)},
       {0}},
      {"nobody overtakes",
       {Item(0, kPrefill, 60, 1), Item(1, kPrefill, 60, 2),
        Item(2, kPrefill, 10, 3)},
       {0}},
  };
  for (const auto& c : cases) {
    Scheduler scheduler(Small());
    const auto batch = scheduler.Plan(c.ready, {});
    EXPECT_EQ(batch->requests, c.requests) << c.name;
    EXPECT_EQ(batch->max_rows, 100) << c.name;
  }
}

TEST(SchedulerTest, PacksFlowsUnderTheirBudgetWhoWaitsLongestFirst) {
  Scheduler scheduler(Small());
  const auto batch =
      scheduler.Plan({Item(0, kDenoise, 60, 3), Item(1, kDenoise, 60, 1),
                      Item(2, kDenoise, 40, 2)},
                     {});
  EXPECT_THAT(batch->requests, ElementsAre(1, 2));
  EXPECT_FALSE(batch->go_on);
}

TEST(SchedulerTest, GoesOnWithWhatIsUnderWayBeforeItBeginsAnother) {
  for (const BatchKind kind : {kPrefill, kDenoise, kVaeDecode}) {
    Scheduler scheduler(Small());
    const auto batch = scheduler.Plan({Item(0, kind)}, {kind});
    EXPECT_EQ(batch->kind, kind);
    EXPECT_TRUE(batch->go_on);
    EXPECT_THAT(batch->requests, IsEmpty());
  }
}

TEST(SchedulerTest, WhatIsUnderWayTakesTurnsWithWhatIsReady) {
  EXPECT_THAT(
      Kinds({Item(0, kDenoise), Item(1, kDecode)}, 6, {kPrefill}),
      ElementsAre(kDecode, kPrefill, kDecode, kDenoise, kDecode, kPrefill));
  EXPECT_THAT(Kinds({}, 4, {kPrefill, kDenoise, kVaeDecode}),
              ElementsAre(kPrefill, kVaeDecode, kDenoise, kPrefill));
}

TEST(SchedulerTest, DecodesTheLatentsOfOneMapAtATime) {
  Scheduler scheduler(Small());
  const auto batch = scheduler.Plan(
      {Item(0, kVaeDecode, 1, 2), Item(1, kVaeDecode, 1, 1)}, {});
  EXPECT_THAT(batch->requests, ElementsAre(1));
}

TEST(SchedulerTest, PriorityIsAHeadStartNotARight) {
  Scheduler scheduler(Small());
  EXPECT_THAT(
      scheduler
          .Plan({Item(0, kDenoise, 100, 10, 0), Item(1, kDenoise, 100, 11, 1)},
                {})
          ->requests,
      ElementsAre(1));
  EXPECT_THAT(
      scheduler
          .Plan({Item(0, kDenoise, 100, 10, 0), Item(1, kDenoise, 100, 15, 1)},
                {})
          ->requests,
      ElementsAre(0));
}

std::vector<int> FirstBatch(std::vector<ReadyItem> ready) {
  return Scheduler(Small()).Plan(std::move(ready), {})->requests;
}

TEST(SchedulerTest, ClientsTakeTurnsUnderTheBudget) {
  // Client 0 has three that wait longer than client 1's two.
  EXPECT_THAT(
      FirstBatch(
          {Item(0, kDenoise, 30, 1, 0, 0), Item(1, kDenoise, 30, 2, 0, 0),
           Item(2, kDenoise, 30, 3, 0, 0), Item(3, kDenoise, 30, 4, 0, 1),
           Item(4, kDenoise, 30, 5, 0, 1)}),
      ElementsAre(0, 3, 1));
  // Alone, it has them all.
  EXPECT_THAT(FirstBatch({Item(0, kDenoise, 30, 1, 0, 0),
                          Item(1, kDenoise, 30, 2, 0, 0),
                          Item(2, kDenoise, 30, 3, 0, 0)}),
              ElementsAre(0, 1, 2));
}

TEST(SchedulerTest, LowPriorityComesLastAlsoOfAnotherClient) {
  EXPECT_THAT(FirstBatch({Item(0, kDenoise, 30, 5, -1, 0),
                          Item(1, kDenoise, 30, 5, 0, 1),
                          Item(2, kDenoise, 30, 6, 0, 1)}),
              ElementsAre(1, 2, 0));
  // Unless it waits two seconds longer than anybody else.
  EXPECT_THAT(FirstBatch({Item(0, kDenoise, 30, 2, -1, 0),
                          Item(1, kDenoise, 30, 5, 0, 1),
                          Item(2, kDenoise, 30, 6, 0, 1)}),
              ElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace cooper::engine
