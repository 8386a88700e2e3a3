// Who may come in, in what order, and who is refused in time.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/core/error.h"
#include "server/engine/engine.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using absl::StatusCode;
using Call = fake::FakeFault::Call;
using ::testing::ElementsAre;

Request From(const std::string& client, const std::string& text,
             Priority priority = Priority::kNormal) {
  Request request = Question(text);
  request.task = ReasonTask{Mode::kTextOnly, 3};
  request.client = client;
  request.priority = priority;
  return request;
}

fake::FakeScript SlowScript() {
  fake::FakeScript script = SmallScript();
  script.delays.append = absl::Milliseconds(10);
  script.delays.decode = absl::Milliseconds(10);
  script.delays.flow_layer = absl::Milliseconds(25);
  return script;
}

// One at a time, while the first stands still; returns the order in which the
// others were started.
std::vector<std::string> OrderOf(std::vector<Request> requests) {
  EngineOptions options;
  options.max_running = 1;
  options.prepare_threads = 8;  // so that all are ready
  EngineHarness harness(SlowScript(), options);
  harness.HoldModel();
  const auto first = harness.Submit(From("first", "first"));
  harness.AwaitHeld();
  std::vector<std::shared_ptr<Recorded>> all;
  for (Request& request : requests) {
    all.push_back(harness.Submit(std::move(request)));
  }
  harness.AwaitLoad(static_cast<int>(all.size()), 1,
                    static_cast<int>(all.size()) + 1);
  harness.ReleaseModel();
  std::vector<std::pair<absl::Duration, std::string>> order;
  for (const auto& recorded : all) {
    EXPECT_OK(recorded->WaitDone());
    order.emplace_back(recorded->All<FinishedEvent>().at(0).usage.queued,
                       recorded->All<StartedEvent>().at(0).request_id);
  }
  std::sort(order.begin(), order.end());
  std::vector<std::string> names;
  for (const auto& [queued, name] : order) names.push_back(name);
  return names;
}

TEST(EnginePolicyTest, NormalRequestsStartBeforeLowOnes) {
  EXPECT_THAT(
      OrderOf({From("a", "low 1", Priority::kLow),
               From("b", "low 2", Priority::kLow), From("c", "normal")}),
      ElementsAre("normal", "low 1", "low 2"));
}

TEST(EnginePolicyTest, ClientsTakeTurnsHoweverManyRequestsTheyHave) {
  EXPECT_THAT(OrderOf({From("many", "many 1"), From("many", "many 2"),
                       From("many", "many 3"), From("few", "few 1"),
                       From("few", "few 2")}),
              ElementsAre("many 1", "few 1", "many 2", "few 2", "many 3"));
}

TEST(EnginePolicyTest, AClientHasALimitOfItsOwn) {
  EngineOptions options;
  options.max_per_client = 2;
  EngineHarness harness(SmallScript(), options);
  harness.HoldModel();
  std::vector<std::shared_ptr<Recorded>> all;
  for (const char* client : {"a", "a", "b", "", "", ""}) {
    all.push_back(harness.Submit(From(client, "q")));
  }
  const absl::Status status = harness.engine().Submit(
      From("a", "q"),
      std::make_unique<RecordingSink>(std::make_shared<Recorded>()));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kClientLimit);
  EXPECT_TRUE(DetailsOf(status).retry_after.has_value());
  harness.ReleaseModel();
  for (const auto& recorded : all) ASSERT_OK(recorded->WaitDone());
  harness.ExpectNothingLeft();
  ASSERT_OK(harness.Submit(From("a", "q"))->WaitDone());
}

TEST(EnginePolicyTest, WaitingTooLongForAStartIsRefused) {
  EngineOptions options;
  options.max_running = 1;
  options.queue_timeout = absl::Seconds(5);
  EngineHarness harness(SmallScript(), options);
  harness.HoldModelAt(Call::kDecode, 3);
  const auto runs = harness.Submit(From("a", "q"));
  harness.AwaitHeld();
  const auto waits = harness.Submit(From("a", "q"));
  harness.clock().Advance(absl::Seconds(6));
  harness.ReleaseModel();
  const absl::Status status = waits->WaitDone();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kQueueTimeout);
  EXPECT_TRUE(DetailsOf(status).retry_after.has_value());
  EXPECT_OK(runs->WaitDone());  // one that runs is not concerned
}

TEST(EnginePolicyTest, AFullQueueIsSharedAmongClients) {
  EngineOptions options;
  options.max_running = 1;
  options.max_queue = 2;
  EngineHarness harness(SmallScript(), options);
  harness.HoldModel();
  const auto runs = harness.Submit(From("many", "runs"));
  harness.AwaitHeld();
  const auto waits = harness.Submit(From("many", "waits"));
  const auto newest = harness.Submit(From("many", "newest"));
  const auto other = harness.Submit(From("few", "other"));
  harness.ReleaseModel();
  EXPECT_OK(runs->WaitDone());
  EXPECT_OK(waits->WaitDone());
  EXPECT_OK(other->WaitDone());
  const absl::Status status = newest->WaitDone();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kClientLimit);
  EXPECT_TRUE(DetailsOf(status).retry_after.has_value());
  harness.ExpectNothingLeft();
}

TEST(EnginePolicyTest, TheExpectedWaitIsBounded) {
  EngineOptions options;
  options.max_running = 1;
  options.max_queue_delay = absl::Milliseconds(1);
  EngineHarness harness(SlowScript(), options);
  ASSERT_OK(harness.Submit(From("a", "q"))->WaitDone());
  harness.ExpectNothingLeft();
  harness.HoldModel();
  const auto runs = harness.Submit(From("a", "q"));
  harness.AwaitHeld();
  const absl::Status status = harness.engine().Submit(
      From("a", "q"),
      std::make_unique<RecordingSink>(std::make_shared<Recorded>()));
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kQueueFull);
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("would wait"));
  harness.ReleaseModel();
  EXPECT_OK(runs->WaitDone());
}

// A millisecond a row: half a minute for the one, and a third of a second for
// each part of it. Slices are short, since each token waits for one.
TEST(EnginePolicyTest, AShortPromptPassesALongOne) {
  fake::FakeScript script = SmallScript();
  script.delays.prefill_token = absl::Milliseconds(1);
  EngineOptions options;
  options.slice = absl::Milliseconds(5);
  EngineHarness harness(script, options);
  // The system text is in the cache, and the time of rows is known.
  ASSERT_OK(harness.Submit(From("a", "first"))->WaitDone());
  harness.ExpectNothingLeft();
  harness.HoldModel();
  const auto slow = harness.Submit(From("a", std::string(30000, 'x')));
  harness.AwaitHeld();
  const auto fast = harness.Submit(From("b", "second"));
  harness.AwaitLoad(0, 2, 3);
  harness.ReleaseModel();
  ASSERT_OK(fast->WaitDone());
  ASSERT_OK(slow->WaitDone());
  EXPECT_LT(fast->All<FinishedEvent>().at(0).usage.total, absl::Seconds(2));
  EXPECT_GT(slow->All<FinishedEvent>().at(0).usage.total, absl::Seconds(30));
}

// Together they hold up the short one no longer than one of them would.
TEST(EnginePolicyTest, AShortPromptPassesManyLongOnes) {
  fake::FakeScript script = SmallScript();
  script.delays.prefill_token = absl::Milliseconds(1);
  EngineOptions options;
  options.slice = absl::Milliseconds(5);
  EngineHarness harness(script, options);
  ASSERT_OK(harness.Submit(From("a", "first"))->WaitDone());
  harness.ExpectNothingLeft();
  harness.HoldModel();
  std::vector<std::shared_ptr<Recorded>> slow;
  for (const char client : {'1', '2', '3', '4', '5', '6'}) {
    slow.push_back(harness.Submit(
        From(std::string(1, client), std::string(6000, client))));
    if (client == '1') harness.AwaitHeld();
  }
  const auto fast = harness.Submit(From("b", "second"));
  harness.AwaitLoad(0, 7, 8);
  harness.ReleaseModel();
  ASSERT_OK(fast->WaitDone());
  for (const auto& recorded : slow) ASSERT_OK(recorded->WaitDone());
  EXPECT_LT(fast->All<FinishedEvent>().at(0).usage.total, absl::Seconds(2));
  EXPECT_GT(slow[5]->All<FinishedEvent>().at(0).usage.total, absl::Seconds(30));
}

class DeadlineTest : public ::testing::Test {
 protected:
  // A map of ten steps: a second.
  static Request Map(absl::Duration deadline) {
    Request request = Question("", /*num_timesteps=*/11);
    request.task = MapTask{model::MapKind::kDepth};
    request.inputs.pop_back();
    request.deadline = absl::FromUnixSeconds(1000) + deadline;
    return request;
  }

  EngineHarness harness_{SlowScript()};
};

TEST_F(DeadlineTest, WhatCannotBeDoneInTimeIsNeverRun) {
  ASSERT_OK(harness_.Submit(Map(absl::InfiniteDuration()))->WaitDone());
  harness_.ExpectNothingLeft();
  const absl::Duration now =
      harness_.clock().Now() - absl::FromUnixSeconds(1000);
  const size_t calls = harness_.model().records().size();
  const absl::Status status =
      harness_.Submit(Map(now + absl::Milliseconds(700)))->WaitDone();
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kDeadlineTooShort);
  EXPECT_EQ(DetailsOf(status).phase, Phase::kQueue);
  EXPECT_EQ(harness_.model().records().size(), calls);
  // With enough time it runs, and so does what only writes.
  EXPECT_OK(harness_.Submit(Map(now + absl::Seconds(2)))->WaitDone());
}

TEST_F(DeadlineTest, NothingIsRefusedForWhatIsNotKnown) {
  const auto recorded = harness_.Submit(Map(absl::Milliseconds(700)));
  const absl::Status status = recorded->WaitDone();
  // It was begun, and ended at its deadline.
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kDeadline);
  EXPECT_FALSE(recorded->All<MapStartedEvent>().empty());
}

// A millisecond a row, and a deadline at a third of them.
TEST(EnginePolicyTest, APromptThatCannotBePrefilledInTimeIsLeft) {
  fake::FakeScript script = SmallScript();
  script.delays.prefill_token = absl::Milliseconds(1);
  EngineHarness harness(script);
  Request request = From("a", std::string(30000, 'x'));
  request.deadline = absl::FromUnixSeconds(1000) + absl::Seconds(10);
  const absl::Status status = harness.Submit(std::move(request))->WaitDone();
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kDeadline);
  EXPECT_EQ(DetailsOf(status).phase, Phase::kPrefill);
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("the prompt needs"));
  EXPECT_LT(harness.clock().Now(), absl::FromUnixSeconds(1000 + 5));
  harness.ExpectNothingLeft();
}

TEST_F(DeadlineTest, AMapThatCannotBeDoneInTimeIsLeft) {
  const auto recorded = harness_.Submit(Map(absl::Milliseconds(700)));
  const absl::Status status = recorded->WaitDone();
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kDeadline);
  EXPECT_EQ(DetailsOf(status).phase, Phase::kDenoise);
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("the map needs"));
  // Well before the deadline.
  EXPECT_LT(harness_.clock().Now(),
            absl::FromUnixSeconds(1000) + absl::Milliseconds(600));
  harness_.ExpectNothingLeft();
}

TEST_F(DeadlineTest, OldMeasurementsRefuseNothing) {
  ASSERT_OK(harness_.Submit(Map(absl::InfiniteDuration()))->WaitDone());
  harness_.clock().Advance(absl::Minutes(2));
  const absl::Duration now =
      harness_.clock().Now() - absl::FromUnixSeconds(1000);
  const absl::Status status =
      harness_.Submit(Map(now + absl::Milliseconds(700)))->WaitDone();
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kDeadline);
}

}  // namespace
}  // namespace cooper::engine
