// What becomes of requests where the GPU's memory runs out: those of a batch
// are run again one by one, and only what is too large alone fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/digest.h"
#include "server/engine/core/error.h"
#include "server/engine/engine.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using absl::StatusCode;
using Call = fake::FakeFault::Call;
using Effect = fake::FakeFault::Effect;

constexpr char kRetries[] = "cooper_gpu_memory_retries_total";

fake::FakeScript SlicedScript() {
  fake::FakeScript script = SmallScript();
  script.flow_layers = 10;
  script.delays.flow_layer = absl::Milliseconds(60);
  script.delays.append = absl::Milliseconds(300);
  return script;
}

fake::FakeFault NoMemoryAbove(Call call, int above,
                              const std::string& match = "", int nth = 1) {
  fake::FakeFault fault;
  fault.call = call;
  fault.effect = Effect::kOutOfMemory;
  fault.nth = nth;
  fault.match = match;
  fault.above = above;
  return fault;
}

EngineOptions WithoutPrefixCache() {
  EngineOptions options;
  options.prefix_cache_bytes = 0;
  return options;
}

// A request about an image of its own.
Request QuestionAbout(const std::string& text, int image) {
  Request request = Question(text);
  request.inputs[0] = ImageInput{TestPng(96, 80, image), "inputs[0].image"};
  return request;
}

// How a request ended.
struct Outcome {
  absl::Status status;
  std::string answer;
  std::vector<std::string> maps;
  int64_t cached_tokens = 0;
};
bool operator==(const Outcome& a, const Outcome& b) {
  return a.status == b.status && a.answer == b.answer && a.maps == b.maps &&
         a.cached_tokens == b.cached_tokens;
}

void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << outcome.status << ", \"" << outcome.answer << "\", "
       << outcome.cached_tokens << " cached tokens, maps:";
  for (const std::string& map : outcome.maps) {
    *out << " " << map.size() << " bytes of " << base::ShortDigest(map);
  }
}

Outcome OutcomeOf(Recorded& recorded) {
  Outcome outcome;
  outcome.status = recorded.WaitDone();
  outcome.answer = recorded.Text(TextChannel::kAnswer);
  for (const MapEvent& map : recorded.All<MapEvent>()) {
    outcome.maps.push_back(*map.data);
  }
  for (const FinishedEvent& finished : recorded.All<FinishedEvent>()) {
    outcome.cached_tokens = finished.usage.cached_tokens;
  }
  return outcome;
}

void ExpectOutOfMemory(const absl::Status& status) {
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(ReasonName(details.reason), std::string("GPU_MEMORY"));
  EXPECT_TRUE(details.retry_after.has_value());
}

class EngineMemoryTest : public ::testing::Test {
 protected:
  // Items of the largest prefill of one question.
  static int ItemsOfOne() {
    EngineHarness harness(SmallScript(), WithoutPrefixCache());
    EXPECT_OK(harness.Submit(QuestionAbout("both question", 0))->WaitDone());
    int items = 0;
    for (const auto& record : harness.model().records()) {
      if (record.call == Call::kPrefill) items = std::max(items, record.items);
    }
    return items;
  }

  // Runs the requests so that they begin in one prefill batch, beside the text
  // of another.
  std::vector<Outcome> Run(std::vector<Request> requests,
                           std::vector<fake::FakeFault> faults,
                           const EngineOptions& options) {
    fake::FakeScript script = SlicedScript();
    script.faults = std::move(faults);
    EngineHarness harness(script, options);
    harness.HoldModelAt(Call::kDecode);
    const auto first = harness.Submit(QuestionAbout("a question", 9));
    harness.AwaitHeld();
    const int count = static_cast<int>(requests.size());
    std::vector<std::shared_ptr<Recorded>> recorded;
    recorded.reserve(requests.size());
    for (Request& request : requests) {
      recorded.push_back(harness.Submit(std::move(request)));
    }
    harness.AwaitLoad(0, count + 1, count + 1);
    harness.ReleaseModel();
    std::vector<Outcome> outcomes = {OutcomeOf(*first)};
    for (const auto& one : recorded) outcomes.push_back(OutcomeOf(*one));
    retries_ = harness.Metric(kRetries);
    // The server goes on.
    EXPECT_TRUE(harness.engine().healthy());
    EXPECT_OK(harness.Submit(QuestionAbout("a question", 8))->WaitDone());
    harness.ExpectNothingLeft();
    return outcomes;
  }

  static std::vector<Request> ThreeMaps() {
    std::vector<Request> requests;
    requests.push_back(QuestionAbout("a depth question", 1));
    requests.push_back(QuestionAbout("both question", 2));
    requests.push_back(QuestionAbout("another depth question", 3));
    return requests;
  }

  double retries_ = 0;
};

TEST_F(EngineMemoryTest, ABatchThatIsTooLargeIsRunOneByOneWithTheSameResult) {
  const std::vector<Outcome> undisturbed =
      Run(ThreeMaps(), {}, WithoutPrefixCache());
  for (const Outcome& outcome : undisturbed) ASSERT_OK(outcome.status);
  ASSERT_EQ(retries_, 0);
  for (const auto& [call, above] :
       {std::pair(Call::kPrefill, ItemsOfOne()), std::pair(Call::kDecode, 1),
        std::pair(Call::kDenoiseSlice, 1)}) {
    // At once, and in a later slice.
    for (const int nth : {1, 4}) {
      SCOPED_TRACE(::testing::Message()
                   << static_cast<int>(call) << " " << nth);
      EXPECT_EQ(Run(ThreeMaps(), {NoMemoryAbove(call, above, "", nth)},
                    WithoutPrefixCache()),
                undisturbed);
      EXPECT_GT(retries_, 0);
    }
  }
}

TEST_F(EngineMemoryTest, OnlyTheRequestThatIsTooLargeFails) {
  const std::vector<Outcome> undisturbed =
      Run(ThreeMaps(), {}, WithoutPrefixCache());
  for (const Call call : {Call::kPrefill, Call::kDecode, Call::kStartDenoise,
                          Call::kDenoiseSlice, Call::kVaeDecode}) {
    SCOPED_TRACE(static_cast<int>(call));
    const std::vector<Outcome> outcomes =
        Run(ThreeMaps(), {NoMemoryAbove(call, 0, "both question")},
            WithoutPrefixCache());
    ExpectOutOfMemory(outcomes[2].status);
    for (const int other : {0, 1, 3}) {
      EXPECT_EQ(outcomes[other], undisturbed[other]) << other;
    }
    EXPECT_GT(retries_, 0);
  }
}

// Memory that another batch held may be free by then.
TEST_F(EngineMemoryTest, ARequestThatIsAloneIsRunOnceMore) {
  for (const Call call : {Call::kPrefill, Call::kDecode, Call::kStartDenoise,
                          Call::kDenoiseSlice, Call::kVaeDecode}) {
    SCOPED_TRACE(static_cast<int>(call));
    EngineHarness undisturbed(SmallScript());
    const Outcome want =
        OutcomeOf(*undisturbed.Submit(Question("a depth question")));
    fake::FakeScript script = SmallScript();
    script.faults = {NoMemoryAbove(call, 0)};
    script.faults[0].last = 1;
    EngineHarness harness(script);
    EXPECT_EQ(OutcomeOf(*harness.Submit(Question("a depth question"))), want);
    EXPECT_EQ(harness.Metric(kRetries), 1);
    harness.ExpectNothingLeft();
  }
}

TEST_F(EngineMemoryTest, ARequestThatIsAloneIsNotRunAThirdTime) {
  for (const Call call : {Call::kPrefill, Call::kDecode, Call::kStartDenoise,
                          Call::kDenoiseSlice, Call::kVaeDecode}) {
    SCOPED_TRACE(static_cast<int>(call));
    fake::FakeScript script = SmallScript();
    script.faults = {NoMemoryAbove(call, 0, "depth question")};
    EngineHarness harness(script);
    ExpectOutOfMemory(harness.Submit(Question("a depth question"))->WaitDone());
    EXPECT_EQ(harness.Metric(kRetries), 1);
    EXPECT_OK(harness.Submit(Question("a question"))->WaitDone());
    harness.ExpectNothingLeft();
  }
}

TEST_F(EngineMemoryTest, ARetriedPrefixIsEncodedOnceForAllThatWaitForIt) {
  const auto requests = [] {
    std::vector<Request> two_of_one;
    two_of_one.push_back(QuestionAbout("a depth question", 1));
    two_of_one.push_back(QuestionAbout("a depth question", 2));
    two_of_one.push_back(QuestionAbout("a depth question", 1));
    return two_of_one;
  };
  const std::vector<Outcome> undisturbed = Run(requests(), {}, {});
  ASSERT_GT(undisturbed[3].cached_tokens, undisturbed[2].cached_tokens);
  // More than one of them has.
  EXPECT_EQ(Run(requests(), {NoMemoryAbove(Call::kPrefill, 4)}, {}),
            undisturbed);
  EXPECT_GT(retries_, 0);
}

TEST_F(EngineMemoryTest, AnotherEncodesThePrefixOfARequestThatFailed) {
  std::vector<Request> requests;
  requests.push_back(QuestionAbout("both question", 1));
  requests.push_back(QuestionAbout("a depth question", 2));
  requests.push_back(QuestionAbout("a depth question", 1));
  const std::vector<Outcome> outcomes =
      Run(std::move(requests),
          {NoMemoryAbove(Call::kPrefill, 0, "both question")}, {});
  ExpectOutOfMemory(outcomes[1].status);
  EXPECT_OK(outcomes[2].status);
  EXPECT_OK(outcomes[3].status);
}

TEST_F(EngineMemoryTest, ARequestThatWaitsForItsTurnAloneCanBeCancelled) {
  fake::FakeScript script = SlicedScript();
  script.faults = {NoMemoryAbove(Call::kDenoiseSlice, 1)};
  EngineHarness harness(script);
  harness.HoldModelAt(Call::kDecode);
  std::vector<std::shared_ptr<Recorded>> recorded;
  std::vector<std::shared_ptr<CancelToken>> cancel;
  for (const int image : {1, 2, 3}) {
    Request request = QuestionAbout("a depth question", image);
    cancel.push_back(request.cancel);
    recorded.push_back(harness.Submit(std::move(request)));
    if (image == 1) harness.AwaitHeld();
  }
  harness.AwaitLoad(0, 3, 3);
  // The second slice of the first that goes alone.
  bool together = false;
  int alone = 0;
  harness.HoldWhere([&](const fake::FakeModel::Record& record) {
    if (record.call != Call::kDenoiseSlice) return false;
    together = together || record.items > 1;
    return together && record.items == 1 && ++alone == 2;
  });
  harness.ReleaseOnce();
  harness.AwaitHeld();
  cancel[1]->Cancel(CancelCause::kClient);
  cancel[0]->Cancel(CancelCause::kClient);
  harness.ReleaseModel();
  EXPECT_EQ(recorded[0]->WaitDone().code(), StatusCode::kCancelled);
  EXPECT_EQ(recorded[1]->WaitDone().code(), StatusCode::kCancelled);
  EXPECT_OK(recorded[2]->WaitDone());
  harness.ExpectNothingLeft();
}

TEST_F(EngineMemoryTest, TheMemoryOfTheGpuIsPublished) {
  fake::FakeScript script = SmallScript();
  EngineHarness without(script);
  EXPECT_OK(without.Submit(Question("a question"))->WaitDone());
  EXPECT_EQ(without.Metric("cooper_gpu_memory_free_bytes"), 0);
  script.gpu_memory = {3 << 20, 5 << 20, 7 << 20};
  EngineHarness harness(script);
  EXPECT_OK(harness.Submit(Question("a question"))->WaitDone());
  EXPECT_EQ(harness.Metric("cooper_gpu_memory_allocated_bytes"), 3 << 20);
  EXPECT_EQ(harness.Metric("cooper_gpu_memory_reserved_bytes"), 5 << 20);
  EXPECT_EQ(harness.Metric("cooper_gpu_memory_free_bytes"), 7 << 20);
}

}  // namespace
}  // namespace cooper::engine
