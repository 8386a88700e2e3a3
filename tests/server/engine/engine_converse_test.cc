// Conversations: turns that go on with what earlier ones have in the pool.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
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

constexpr char kSecondAnswer[] = "<answer> Second. </answer>";

// A question that wants a map, an answer; then a further one.
fake::FakeScript TalkScript() {
  fake::FakeScript script = SmallScript();
  script.scripts.insert(
      script.scripts.begin(),
      {"talk", {kDepthText, kAnswerText, kSecondAnswer, kSecondAnswer}});
  return script;
}

Request First(const std::string& text = "talk", const std::string& id = "s") {
  Request request = Question(text);
  request.client = "me";
  request.session = SessionUse{id, /*resumed=*/false, {}};
  return request;
}

Request Next(const std::string& text, const std::string& id = "s") {
  Request request = First(text, id);
  request.inputs = {TextInput{text}};
  request.session->resumed = true;
  return request;
}

FinishedEvent FinishOf(const Recorded& recorded) {
  const auto finished = recorded.All<FinishedEvent>();
  return finished.empty() ? FinishedEvent{} : finished[0];
}

EngineOptions NoCache() {
  EngineOptions options;
  options.prefix_cache_bytes = 0;
  return options;
}

class EngineConverseTest : public ::testing::Test {
 protected:
  void Use(EngineOptions options, fake::FakeScript script = TalkScript()) {
    harness_.emplace(std::move(script), options);
  }
  void SetUp() override { Use(NoCache()); }

  std::shared_ptr<Recorded> Run(const Request& request) {
    auto recorded = harness_->Submit(request);
    EXPECT_OK(recorded->WaitDone());
    return recorded;
  }
  ErrorReason ErrorOf(const Request& request) {
    return DetailsOf(harness_->Submit(request)->WaitDone()).reason;
  }
  int64_t appended() { return harness_->model().prefilled_tokens(); }
  void AwaitSessions(int count) {
    while (harness_->Metric("cooper_sessions") != count) {
      harness_->engine().Wake();
      std::this_thread::yield();
    }
  }

  std::optional<EngineHarness> harness_;
};

TEST_F(EngineConverseTest, AFurtherQuestionEncodesNothingButItself) {
  const auto first = Run(First());
  EXPECT_EQ(FinishOf(*first).reason, FinishReason::kAnswered);
  ASSERT_EQ(first->All<SessionEvent>().size(), 2U);
  const SessionEvent kept = first->All<SessionEvent>()[1];
  EXPECT_EQ(kept.session_id, "s");
  EXPECT_EQ(kept.expires_after, absl::Minutes(10));
  EXPECT_GT(kept.kv_bytes, 0);

  const int64_t before = appended();
  const auto second = Run(Next("and this?"));
  EXPECT_EQ(second->Text(TextChannel::kAnswer), " Second. ");
  const Usage usage = FinishOf(*second).usage;
  // bos, the words, eos; on both branches, and the answer's eos on one and all
  // of it on the other.
  const int64_t words = 9 + 2;
  const int64_t answer =
      static_cast<int64_t>(std::string(kSecondAnswer).size());
  EXPECT_EQ(usage.input_tokens - usage.cached_tokens, words);
  EXPECT_GT(usage.cached_tokens, FinishOf(*first).usage.input_tokens);
  EXPECT_EQ(appended() - before, 2 * words + 1 + answer + 2);
  EXPECT_EQ(usage.maps, 0);
}

TEST_F(EngineConverseTest, ATurnCanDrawAndLaterOnesSeeIt) {
  const auto first = Run(First("a vague question"));
  EXPECT_EQ(FinishOf(*first).reason, FinishReason::kNoRequest);
  EXPECT_EQ(FinishOf(*first).usage.maps, 0);
  const auto second = Run(Next("a depth question"));
  EXPECT_EQ(FinishOf(*second).reason, FinishReason::kAnswered);
  EXPECT_EQ(FinishOf(*second).usage.maps, 1);
  // Bos, "I do not know.", eos.
  EXPECT_EQ(FinishOf(*second).usage.cached_tokens,
            FinishOf(*first).usage.input_tokens + 16);
}

TEST_F(EngineConverseTest, ResultsAreThoseOfTheSameContextInOneRequest) {
  Run(First());
  const auto second = Run(Next("and this?"));
  Use(NoCache());
  Run(First());
  const auto again = Run(Next("and this?"));
  EXPECT_EQ(FinishOf(*second).answer, FinishOf(*again).answer);
  EXPECT_EQ(FinishOf(*second).usage.input_tokens,
            FinishOf(*again).usage.input_tokens);
}

TEST_F(EngineConverseTest, UnknownForeignAndBusySessionsAreRefused) {
  EXPECT_EQ(ErrorOf(Next("q", "nobody")), ErrorReason::kSessionNotFound);
  Run(First());
  Request foreign = Next("q");
  foreign.client = "you";
  EXPECT_EQ(ErrorOf(foreign), ErrorReason::kSessionNotFound);
  Request other_mode = Next("q");
  other_mode.task = ReasonTask{Mode::kTextOnly, 3};
  EXPECT_EQ(ErrorOf(other_mode), ErrorReason::kInvalidArgument);

  harness_->HoldModelAt(Call::kDecode);
  const auto running = harness_->Submit(Next("q"));
  harness_->AwaitHeld();
  const auto second = harness_->Submit(Next("q"));
  harness_->ReleaseModel();
  EXPECT_EQ(DetailsOf(second->WaitDone()).reason, ErrorReason::kSessionBusy);
  EXPECT_OK(running->WaitDone());
  Run(Next("again"));
}

TEST_F(EngineConverseTest, ACancelledTurnKeepsItsInputsAndNoText) {
  harness_->HoldModelAt(Call::kDecode, 5);
  Request request = First();
  const auto first = harness_->Submit(request);
  harness_->AwaitHeld();
  request.cancel->Cancel(CancelCause::kClient);
  harness_->ReleaseModel();
  EXPECT_EQ(first->WaitDone().code(), StatusCode::kCancelled);
  const auto second = Run(Next("talk on"));
  // The script begins anew: no text of the cancelled turn is there.
  EXPECT_EQ(FinishOf(*second).usage.maps, 1);
  EXPECT_EQ(FinishOf(*second).answer, kAnswerText);
  EXPECT_GT(FinishOf(*second).usage.cached_tokens, 0);
}

TEST_F(EngineConverseTest, ATurnCancelledBeforeItsInputsLeavesTheSession) {
  Run(First());
  const auto probe = Run(Next("one"));
  Request request = Next("two");
  request.cancel->Cancel(CancelCause::kClient);
  const auto second = harness_->Submit(request);
  EXPECT_EQ(second->WaitDone().code(), StatusCode::kCancelled);
  const auto third = Run(Next("one"));
  EXPECT_EQ(FinishOf(*third).usage.cached_tokens,
            FinishOf(*probe).usage.input_tokens +
                static_cast<int64_t>(std::string(kSecondAnswer).size()) + 2);
}

TEST_F(EngineConverseTest, AnswerNowEndsTheThoughtAtTheNextToken) {
  auto steering = std::make_shared<Steering>();
  Request request = First();
  request.steering = steering;
  harness_->HoldModelAt(Call::kDecode, 10);
  const auto recorded = harness_->Submit(request);
  harness_->AwaitHeld();
  steering->answer_now = true;
  harness_->ReleaseModel();
  ASSERT_OK(recorded->WaitDone());
  // Ten tokens, of which the first seven are the tag.
  std::string thought;
  for (const TextDeltaEvent& delta : recorded->All<TextDeltaEvent>()) {
    if (delta.turn == 0) thought += delta.text;
  }
  EXPECT_EQ(thought, " Lo");
  EXPECT_TRUE(recorded->All<MapStartedEvent>().empty());
  EXPECT_EQ(FinishOf(*recorded).answer.find("<answer>"), 0U);
}

TEST_F(EngineConverseTest, NoMoreMapsDrawsNone) {
  auto steering = std::make_shared<Steering>();
  steering->no_more_maps = true;
  Request request = First();
  request.steering = steering;
  const auto recorded = Run(request);
  EXPECT_TRUE(recorded->All<MapStartedEvent>().empty());
  EXPECT_EQ(FinishOf(*recorded).usage.maps, 0);
  EXPECT_EQ(FinishOf(*recorded).reason, FinishReason::kAnswered);
}

TEST_F(EngineConverseTest, SessionsExpire) {
  Run(First());
  AwaitSessions(1);
  EXPECT_GT(harness_->Metric("cooper_session_bytes"), 0);
  harness_->clock().Advance(absl::Minutes(10));
  AwaitSessions(0);
  EXPECT_EQ(ErrorOf(Next("q")), ErrorReason::kSessionNotFound);
  EXPECT_EQ(harness_->Metric("cooper_sessions_evicted_total", "expired"), 1);
  EXPECT_EQ(harness_->model().used_tokens(), 0);
}

TEST_F(EngineConverseTest, TheQuotaDropsTheLeastRecentlyUsed) {
  Run(First("talk", "probe"));
  AwaitSessions(1);
  EngineOptions options = NoCache();
  // Room for one, not for two.
  options.session_bytes =
      static_cast<int64_t>(harness_->Metric("cooper_session_bytes") * 1.5);
  Use(options);
  Run(First("talk", "a"));
  Run(First("talk", "b"));
  EXPECT_EQ(ErrorOf(Next("q", "a")), ErrorReason::kSessionNotFound);
  Run(Next("q", "b"));
  EXPECT_EQ(harness_->Metric("cooper_sessions_evicted_total", "quota"), 1);
}

TEST_F(EngineConverseTest, IdleSessionsGiveWayToRequests) {
  fake::FakeScript script = TalkScript();
  script.kv_capacity_tokens = 20000;
  EngineOptions options = NoCache();
  options.session_bytes = int64_t{1} << 30;
  Use(options, script);
  const auto evicted = [this] {
    return harness_->Metric("cooper_sessions_evicted_total", "memory");
  };
  std::string last;
  for (int i = 0; i < 60 && evicted() == 0; ++i) {
    last = absl::StrCat("s", i);
    Run(First("talk", last));
  }
  EXPECT_GT(evicted(), 0);
  EXPECT_EQ(ErrorOf(Next("q", "s0")), ErrorReason::kSessionNotFound);
  Run(Next("q", last));
}

TEST_F(EngineConverseTest, WithoutATimeToLiveThereAreNone) {
  EngineOptions options;
  options.session_ttl = absl::ZeroDuration();
  Use(options);
  const absl::Status status = harness_->engine().Submit(
      First(), std::make_unique<RecordingSink>(std::make_shared<Recorded>()));
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kUnsupported);
}

TEST_F(EngineConverseTest, TextOnlyConversationsHaveOneBranch) {
  Request request = First("talk");
  request.task = ReasonTask{Mode::kTextOnly, 3};
  Run(request);
  const int64_t before = appended();
  Request next = Next("more");
  next.task = ReasonTask{Mode::kTextOnly, 3};
  Run(next);
  EXPECT_EQ(appended() - before, 4 + 2 + 1);
}

}  // namespace
}  // namespace cooper::engine
