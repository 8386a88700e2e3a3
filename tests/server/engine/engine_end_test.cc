// How requests end other than well: cancelled, late, refused, failed, shut
// down; and that nothing is left of them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/engine/core/error.h"
#include "server/engine/engine.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using absl::StatusCode;
using Call = fake::FakeFault::Call;
using Effect = fake::FakeFault::Effect;
using ::testing::IsEmpty;

EngineOptions OneAtATime() {
  EngineOptions options;
  options.max_running = 1;
  return options;
}

// Appends, denoising steps and the decoding of maps in many slices.
fake::FakeScript SlicedScript() {
  fake::FakeScript script = SmallScript();
  script.flow_layers = 10;
  script.delays.flow_layer = absl::Milliseconds(60);
  script.delays.append = absl::Milliseconds(300);
  script.delays.latents = absl::Milliseconds(300);
  return script;
}

void ExpectEnd(const absl::Status& status, ErrorReason reason, Phase phase) {
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(ReasonName(details.reason), std::string(ReasonName(reason)));
  EXPECT_EQ(details.phase, phase) << status;
}

// Where a request is caught.
struct Moment {
  const char* name;
  Call call;
  int nth;
  Phase phase;
};
const Moment kMoments[] = {
    {"prefill", Call::kPrefill, 1, Phase::kPrefill},
    {"within a prefill", Call::kPrefill, 3, Phase::kPrefill},
    {"first token", Call::kDecode, 1, Phase::kDecode},
    {"text", Call::kDecode, 20, Phase::kDecode},
    {"flow begins", Call::kDenoiseSlice, 1, Phase::kDenoise},
    {"within a denoising step", Call::kDenoiseSlice, 13, Phase::kDenoise},
    {"latents", Call::kVaeDecode, 1, Phase::kVaeDecode},
    {"within latents", Call::kVaeDecode, 3, Phase::kVaeDecode},
};

TEST(EngineEndTest, ACancelledRequestLeavesAtTheNextTokenSliceOrStep) {
  for (const Moment& moment : kMoments) {
    SCOPED_TRACE(moment.name);
    EngineHarness harness(SlicedScript());
    harness.HoldModelAt(moment.call, moment.nth);
    Request request = Question("a depth question");
    const auto cancel = request.cancel;
    const auto recorded = harness.Submit(std::move(request));
    harness.AwaitHeld();
    const size_t calls = harness.model().records().size();
    cancel->Cancel(CancelCause::kClient);
    harness.engine().Wake();
    harness.ReleaseModel();
    ExpectEnd(recorded->WaitDone(), ErrorReason::kCancelled, moment.phase);
    EXPECT_EQ(harness.model().records().size(), calls);
    EXPECT_THAT(recorded->All<FinishedEvent>(), IsEmpty());
    harness.ExpectNothingLeft();
  }
}

TEST(EngineEndTest, ALateRequestLeavesAtTheNextTokenSliceOrStep) {
  for (const Moment& moment : kMoments) {
    SCOPED_TRACE(moment.name);
    EngineHarness harness(SlicedScript());
    harness.HoldModelAt(moment.call, moment.nth);
    Request request = Question("a depth question");
    request.deadline = harness.clock().Now() + absl::Hours(1);
    const auto recorded = harness.Submit(std::move(request));
    harness.AwaitHeld();
    const size_t calls = harness.model().records().size();
    harness.clock().Advance(absl::Hours(1));
    harness.ReleaseModel();
    const absl::Status status = recorded->WaitDone();
    EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
    ExpectEnd(status, ErrorReason::kDeadline, moment.phase);
    EXPECT_EQ(harness.model().records().size(), calls);
    harness.ExpectNothingLeft();
  }
}

TEST(EngineEndTest, TheCauseDecidesTheStatus) {
  const struct {
    CancelCause cause;
    StatusCode code;
    ErrorReason reason;
  } cases[] = {
      {CancelCause::kClient, StatusCode::kCancelled, ErrorReason::kCancelled},
      {CancelCause::kDisconnect, StatusCode::kCancelled,
       ErrorReason::kCancelled},
      {CancelCause::kStall, StatusCode::kCancelled, ErrorReason::kSlowReader},
      {CancelCause::kDeadline, StatusCode::kDeadlineExceeded,
       ErrorReason::kDeadline},
      {CancelCause::kShutdown, StatusCode::kUnavailable,
       ErrorReason::kDraining},
  };
  for (const auto& c : cases) {
    EngineHarness harness;
    harness.HoldModel();
    Request request = Question("a depth question");
    const auto cancel = request.cancel;
    const auto recorded = harness.Submit(std::move(request));
    harness.AwaitHeld();
    cancel->Cancel(c.cause);
    cancel->Cancel(CancelCause::kClient);  // the first cause stays
    harness.ReleaseModel();
    const absl::Status status = recorded->WaitDone();
    EXPECT_EQ(status.code(), c.code);
    ExpectEnd(status, c.reason, Phase::kPrefill);
  }
}

TEST(EngineEndTest, AQueuedRequestIsCancelledWithoutBeingRun) {
  EngineHarness harness(SmallScript(), OneAtATime());
  harness.HoldModel();
  const auto first = harness.Submit(Question("a question"));
  harness.AwaitHeld();
  Request queued = Question("a depth question");
  const auto cancel = queued.cancel;
  const auto second = harness.Submit(std::move(queued));
  cancel->Cancel(CancelCause::kClient);
  harness.ReleaseModel();
  ExpectEnd(second->WaitDone(), ErrorReason::kCancelled, Phase::kQueue);
  ASSERT_OK(first->WaitDone());
  for (const auto& record : harness.model().records()) {
    EXPECT_NE(record.call, Call::kDenoiseSlice);
  }
  harness.ExpectNothingLeft();
}

TEST(EngineEndTest, ADeadlineThatPassesInTheQueueIsNeverRun) {
  EngineHarness harness(SmallScript(), OneAtATime());
  harness.HoldModel();
  const auto first = harness.Submit(Question("a question"));
  harness.AwaitHeld();
  Request queued = Question("a depth question");
  queued.deadline = harness.clock().Now() + absl::Seconds(1);
  const auto second = harness.Submit(std::move(queued));
  harness.clock().Advance(absl::Seconds(1));
  harness.ReleaseModel();
  ExpectEnd(second->WaitDone(), ErrorReason::kDeadline, Phase::kQueue);
  ASSERT_OK(first->WaitDone());
  for (const auto& record : harness.model().records()) {
    EXPECT_NE(record.call, Call::kDenoiseSlice);
  }
}

TEST(EngineEndTest, AnIdleEngineSeesADeadlinePass) {
  // Waits for memory that never comes: the engine thread sleeps meanwhile.
  fake::FakeScript script = SmallScript();
  script.kv_capacity_tokens = 9000;
  EngineHarness harness(script, EngineOptions{});
  harness.HoldModelAt(Call::kDecode, 5);
  Request blocking = Question("a depth question");
  const auto first = harness.Submit(blocking);
  harness.AwaitHeld();
  Request waiting = Question("both question");
  waiting.deadline = harness.clock().Now() + absl::Seconds(1);
  const auto second = harness.Submit(waiting);
  harness.clock().Advance(absl::Seconds(2));
  harness.ReleaseModel();
  ExpectEnd(second->WaitDone(), ErrorReason::kDeadline, Phase::kQueue);
  ASSERT_OK(first->WaitDone());
}

TEST(EngineEndTest, WhatIsTooLateAlreadyIsNotAdmitted) {
  EngineHarness harness;
  Request request = Question("q");
  request.deadline = harness.clock().Now();
  auto recorded = std::make_shared<Recorded>();
  EXPECT_EQ(
      harness.engine()
          .Submit(std::move(request), std::make_unique<RecordingSink>(recorded))
          .code(),
      StatusCode::kDeadlineExceeded);
  EXPECT_EQ(recorded->dones(), 0);
}

TEST(EngineEndTest, ACancelledMapLeavesTheOthersStepAsItWas) {
  const auto map_of = [](bool neighbour) {
    EngineHarness harness(SlicedScript());
    std::shared_ptr<CancelToken> cancel;
    std::shared_ptr<Recorded> other;
    harness.HoldModelAt(Call::kPrefill, 1);
    const auto recorded = harness.Submit(Question("a depth question"));
    harness.AwaitHeld();
    if (neighbour) {
      Request request = Question("a depth question");
      request.seed = 99;
      cancel = request.cancel;
      other = harness.Submit(std::move(request));
      harness.AwaitLoad(0, 2, 2);
    }
    // The second slice of a step of both.
    harness.HoldModelAt(Call::kDenoiseSlice, 1);
    harness.ReleaseOnce();
    harness.AwaitHeld();
    harness.Step();
    if (neighbour) cancel->Cancel(CancelCause::kClient);
    harness.ReleaseModel();
    EXPECT_OK(recorded->WaitDone());
    if (neighbour) {
      EXPECT_FALSE(other->WaitDone().ok());
    }
    return *recorded->All<MapEvent>().at(0).data;
  };
  EXPECT_EQ(map_of(false), map_of(true));
}

TEST(EngineEndTest, ACancelledPromptLeavesTheOthersAppendAsItWas) {
  const auto map_of = [](bool neighbour) {
    EngineHarness harness(SlicedScript());
    std::shared_ptr<CancelToken> cancel;
    std::shared_ptr<Recorded> other;
    harness.HoldModelAt(Call::kDecode);
    const auto first = harness.Submit(Question("a question"));
    harness.AwaitHeld();
    const auto recorded = harness.Submit(Question("a depth question"));
    if (neighbour) {
      Request request = Question("both question");
      request.seed = 99;
      cancel = request.cancel;
      other = harness.Submit(std::move(request));
    }
    harness.AwaitLoad(0, neighbour ? 3 : 2, neighbour ? 3 : 2);
    // The third slice of a prefill of both.
    harness.HoldModelAt(Call::kPrefill, 3);
    harness.ReleaseOnce();
    harness.AwaitHeld();
    if (neighbour) {
      EXPECT_GE(harness.model().records().back().items, 2);
      cancel->Cancel(CancelCause::kClient);
    }
    harness.ReleaseModel();
    EXPECT_OK(first->WaitDone());
    EXPECT_OK(recorded->WaitDone());
    if (neighbour) {
      ExpectEnd(other->WaitDone(), ErrorReason::kCancelled, Phase::kPrefill);
    }
    return *recorded->All<MapEvent>().at(0).data;
  };
  EXPECT_EQ(map_of(false), map_of(true));
}

TEST(EngineEndTest, ADeviceFailureEndsEverythingAndStopsAdmission) {
  for (const Effect effect : {Effect::kStatus, Effect::kThrow}) {
    for (const Call call : {Call::kPrefill, Call::kDecode, Call::kStartDenoise,
                            Call::kDenoiseSlice, Call::kVaeDecode}) {
      fake::FakeScript script = SlicedScript();
      script.faults = {{call, effect, 1, "", StatusCode::kInternal}};
      EngineHarness harness(script, OneAtATime());
      const auto running = harness.Submit(Question("a depth question"));
      absl::Status status = running->WaitDone();
      EXPECT_EQ(status.code(), StatusCode::kUnavailable);
      EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kEngineFailed);
      EXPECT_FALSE(harness.engine().healthy());
      auto refused = std::make_shared<Recorded>();
      status = harness.engine().Submit(
          Question("q"), std::make_unique<RecordingSink>(refused));
      EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kEngineFailed);
      EXPECT_EQ(harness.Metric("cooper_engine_up"), 0);
      harness.ExpectNothingLeft();
    }
  }
}

TEST(EngineEndTest, ADeviceFailureEndsTheQueueToo) {
  fake::FakeScript script = SmallScript();
  script.faults = {
      {Call::kDecode, Effect::kThrow, 3, "", StatusCode::kInternal}};
  EngineHarness harness(script, OneAtATime());
  harness.HoldModel();
  std::vector<std::shared_ptr<Recorded>> all;
  all.reserve(5);
  for (int i = 0; i < 5; ++i) {
    all.push_back(harness.Submit(Question("a depth question")));
  }
  harness.ReleaseModel();
  for (const auto& recorded : all) {
    EXPECT_EQ(DetailsOf(recorded->WaitDone()).reason,
              ErrorReason::kEngineFailed);
    EXPECT_EQ(recorded->dones(), 1);
  }
}

TEST(EngineEndTest, AnItemThatIsNotFiniteEndsItsRequestOnly) {
  for (const Call call : {Call::kPrefill, Call::kDecode, Call::kVaeDecode}) {
    fake::FakeScript script = SmallScript();
    script.faults = {{call, Effect::kItem, 1, "poison", StatusCode::kInternal}};
    EngineHarness harness(script);
    const auto poisoned = harness.Submit(Question("a depth question, poison"));
    const auto fine = harness.Submit(Question("a depth question"));
    EXPECT_EQ(DetailsOf(poisoned->WaitDone()).reason, ErrorReason::kNumeric);
    EXPECT_OK(fine->WaitDone());
    EXPECT_TRUE(harness.engine().healthy());
    EXPECT_EQ(harness.Metric("cooper_nonfinite_total"), 1);
    harness.ExpectNothingLeft();
  }
}

TEST(EngineEndTest, DrainingRefusesNewWorkAndFinishesTheOld) {
  EngineHarness harness;
  harness.HoldModel();
  const auto recorded = harness.Submit(Question("a depth question"));
  harness.AwaitHeld();
  harness.engine().BeginDrain();
  auto refused = std::make_shared<Recorded>();
  const absl::Status status = harness.engine().Submit(
      Question("q"), std::make_unique<RecordingSink>(refused));
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kDraining);
  harness.ReleaseModel();
  harness.engine().Shutdown(absl::InfiniteFuture());
  EXPECT_EQ(recorded->dones(), 1);
  EXPECT_OK(recorded->WaitDone());
  harness.engine().Shutdown(absl::InfinitePast());  // idempotent
}

TEST(EngineEndTest, ShutdownEndsWhatIsLeftAtItsDeadline) {
  EngineHarness harness(SlicedScript(), OneAtATime());
  harness.HoldModelAt(Call::kDenoiseSlice);
  const auto running = harness.Submit(Question("a depth question", 1000));
  harness.AwaitHeld();
  const auto queued = harness.Submit(Question("a question"));
  std::thread shutdown(
      [&harness] { harness.engine().Shutdown(absl::InfinitePast()); });
  while (running->dones() == 0) {
    harness.ReleaseOnce();
    std::this_thread::yield();
  }
  shutdown.join();
  ExpectEnd(running->WaitDone(), ErrorReason::kDraining, Phase::kDenoise);
  ExpectEnd(queued->WaitDone(), ErrorReason::kDraining, Phase::kQueue);
  EXPECT_EQ(queued->dones(), 1);
}

TEST(EngineEndTest, TheDestructorEndsWhatIsLeft) {
  std::vector<std::shared_ptr<Recorded>> all;
  {
    EngineHarness harness;
    for (int i = 0; i < 10; ++i) {
      all.push_back(harness.Submit(Question("a depth question", 500)));
    }
  }
  for (const auto& recorded : all) EXPECT_EQ(recorded->dones(), 1);
}

TEST(EngineEndTest, CountsAreZeroAtRestAndTellWhatWasDone) {
  EngineHarness harness;
  ASSERT_OK(harness.Submit(Question("both question"))->WaitDone());
  harness.ExpectNothingLeft();
  harness.AwaitLastStep(harness.clock().Now());
  EXPECT_EQ(harness.Metric("cooper_kv_cache_bytes"), 0);
  EXPECT_EQ(harness.Metric("cooper_images_generated_total"), 2);
  EXPECT_EQ(harness.Metric("cooper_denoise_steps_total"), 6);
  EXPECT_EQ(harness.Metric("cooper_reasoning_rounds"), 1);
  EXPECT_EQ(harness.Metric("cooper_finish_reason_total", "answered"), 1);
  EXPECT_EQ(harness.Metric("cooper_time_to_first_token_seconds"), 1);
  EXPECT_EQ(harness.Metric("cooper_queue_duration_seconds"), 1);
}

}  // namespace
}  // namespace cooper::engine
