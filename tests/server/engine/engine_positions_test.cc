// The model's positions (max_position_embeddings) are a limit.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/engine/core/error.h"
#include "server/engine/engine.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The fake model's tokens are bytes; bos and eos are two more.
int64_t Rows(const std::string& text) {
  return static_cast<int64_t>(text.size()) + 2;
}

fake::FakeScript Limited(int64_t max_positions) {
  fake::FakeScript script = SmallScript();
  script.max_positions = max_positions;
  return script;
}

Request TextQuestion(const std::string& text) {
  Request request = Question(text);
  request.task = ReasonTask{Mode::kTextOnly, 3};
  return request;
}

// Positions before the first text: system text, image, question.
int64_t TextStart(const std::string& question) {
  return Rows(model::Prompts::Cooper().vlm_think_system_prompt) + 1 +
         Rows(question);
}

int64_t InterleavedStart(const std::string& question) {
  return Rows(model::Prompts::Cooper().interleave_reason_system_prompt) + 2 +
         Rows(question);
}

int64_t Reflection() {
  return 1 + Rows(model::Prompts::Cooper().reflection_prompt);
}

FinishedEvent FinishOf(const Recorded& recorded) {
  const auto finished = recorded.All<FinishedEvent>();
  return finished.empty() ? FinishedEvent{} : finished[0];
}

constexpr int64_t kLeastText = 3;  // bos, a token, eos

TEST(EnginePositionsTest, InputsBeyondThemAreInvalid) {
  const struct {
    Request request;
    int64_t least;
  } cases[] = {
      {TextQuestion("q"), TextStart("q") + kLeastText},
      {Question("q"), InterleavedStart("q") + kLeastText + Reflection()},
  };
  for (const auto& c : cases) {
    EngineHarness fits(Limited(c.least));
    EXPECT_OK(fits.Submit(c.request)->WaitDone());
    EngineHarness harness(Limited(c.least - 1));
    const absl::Status status = harness.Submit(c.request)->WaitDone();
    EXPECT_THAT(status,
                testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                  AllOf(HasSubstr(std::to_string(c.least)),
                                        HasSubstr("max_position_embeddings"))));
    EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kTooManyPositions);
    EXPECT_STREQ(ReasonName(DetailsOf(status).reason), "CONTEXT_TOO_LARGE");
    EXPECT_EQ(DetailsOf(status).field, "inputs");
    harness.ExpectNothingLeft();
  }
}

TEST(EnginePositionsTest, ATextEndsWhereTheyEnd) {
  EngineHarness harness(Limited(TextStart("q") + kLeastText + 10));
  const auto recorded = harness.Submit(TextQuestion("q"));
  ASSERT_OK(recorded->WaitDone());
  EXPECT_EQ(FinishOf(*recorded).reason, FinishReason::kMaxTokens);
  EXPECT_EQ(FinishOf(*recorded).usage.output_tokens, 11);
}

TEST(EnginePositionsTest, ATextThatFitsIsNotCut) {
  EngineHarness harness(Limited(TextStart("q") + Rows(kAnswerText)));
  const auto recorded = harness.Submit(TextQuestion("q"));
  ASSERT_OK(recorded->WaitDone());
  EXPECT_EQ(FinishOf(*recorded).reason, FinishReason::kAnswered);
  EXPECT_EQ(FinishOf(*recorded).answer_text, "It is \\boxed{A}.");
}

// The map and what is said of it still fit; the next text does not.
TEST(EnginePositionsTest, ALaterTextIsEmptyWhereNoneFits) {
  const std::string question = "a depth question";
  EngineHarness harness(
      Limited(InterleavedStart(question) + Rows(kDepthText) + Reflection()));
  const auto recorded = harness.Submit(Question(question));
  ASSERT_OK(recorded->WaitDone());
  EXPECT_EQ(FinishOf(*recorded).reason, FinishReason::kMaxTokens);
  EXPECT_EQ(FinishOf(*recorded).usage.maps, 1);
  EXPECT_EQ(FinishOf(*recorded).answer, "");
  EXPECT_EQ(FinishOf(*recorded).usage.output_tokens,
            static_cast<int64_t>(std::string(kDepthText).size()));
}

TEST(EnginePositionsTest, WhatASessionHoldsCounts) {
  // `<answer>`, which the client may have the model asked for.
  const int64_t forced = Rows("<answer>") + kLeastText;
  const int64_t first = TextStart("q") + Rows(kAnswerText);
  EngineHarness harness(Limited(first + Rows("next") + kLeastText + forced));
  const auto turn = [&](const std::string& text, bool resumed) {
    Request request = TextQuestion(text);
    if (resumed) request.inputs.erase(request.inputs.begin());
    request.session = SessionUse{.id = "s", .resumed = resumed};
    return harness.Submit(std::move(request));
  };
  EXPECT_OK(turn("q", false)->WaitDone());
  const absl::Status status = turn("longer", true)->WaitDone();
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kTooManyPositions);
  EXPECT_OK(turn("next", true)->WaitDone());
}

TEST(EnginePositionsTest, WithoutALimitNothingIsCut) {
  EngineHarness harness(Limited(0));
  const auto recorded = harness.Submit(Question("a both question"));
  ASSERT_OK(recorded->WaitDone());
  EXPECT_EQ(FinishOf(*recorded).reason, FinishReason::kAnswered);
}

}  // namespace
}  // namespace cooper::engine
