#include "server/engine/execution/execution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/fake/fake_model.h"
#include "model/image/maps.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/execution/execution_fixture.h"
#include "tests/testing/run_alone.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using fake::FakeModel;
using ::testing::ElementsAre;
using State = Execution::State;

TEST(ExecutionTest, TellsTheWholeStoryInOrder) {
  FakeModel model(SmallScript());
  LogObserver observer;
  Execution execution(&model, Spec(Reasoning(), model), &observer);
  ASSERT_OK(RunAlone(&model, &execution));
  EXPECT_THAT(
      observer.lines,
      ElementsAre("text 0 0: Look. ", "text 0 3:\n", "text 0 1:Depth, please.",
                  "map 0 started 96x80 3 'Depth, please.'", "step 1/3",
                  "step 2/3", "step 3/3", "map 0 drawn", "text 1 0: Done. ",
                  "text 1 3:\n", "text 1 2: It is \\boxed{A}. "));
  EXPECT_EQ(execution.state(), State::kFinished);
  EXPECT_EQ(execution.finish().answer, kAnswerText);
  EXPECT_EQ(execution.finish().boxed, "A");
}

TEST(ExecutionTest, ReEncodesATextThatItsTokensDoNotSpell) {
  // The fake's own text is cut at a spelled-out control token: what is in the
  // cache is more than what counts.
  fake::FakeScript script = SmallScript();
  script.scripts = {
      {kDepthQuestion,
       {absl::StrCat(kDepthText, "<|im_end|> junk"), kAnswerText}}};
  // The scripted turn never matches what is appended, so turn 0 comes again.
  FakeModel model(script);
  LogObserver observer;
  ProgramOptions options = SmallOptions();
  options.max_turns = 2;
  Execution execution(&model, Spec(Reasoning(kDepthQuestion, options), model),
                      &observer);
  ASSERT_OK(RunAlone(&model, &execution));
  EXPECT_EQ(execution.totals().maps, 1);
  EXPECT_EQ(execution.finish().reason, FinishReason::kMaxTurns);
  EXPECT_EQ(execution.finish().answer, kDepthText);
}

TEST(ExecutionTest, ALimitOfNGivesAtMostNMinusOneTokens) {
  const int length = static_cast<int>(std::string(kAnswerText).size());
  for (const int limit : {2, length, length + 1, length + 2}) {
    FakeModel model(SmallScript());
    LogObserver observer;
    ProgramOptions options = SmallOptions();
    options.max_think_tokens = limit;
    Execution execution(&model, Spec(Reasoning("?", options), model),
                        &observer);
    ASSERT_OK(RunAlone(&model, &execution));
    EXPECT_EQ(observer.tokens, std::min(limit - 1, length)) << limit;
    EXPECT_EQ(execution.finish().reason, limit > length
                                             ? FinishReason::kAnswered
                                             : FinishReason::kMaxTokens)
        << limit;
  }
}

TEST(ExecutionTest, SendsPreviewsBetweenSteps) {
  FakeModel model(SmallScript());
  LogObserver observer;
  ExecutionSpec spec = Spec(Reasoning(), model);
  spec.flow.num_timesteps = 5;
  spec.preview_every = 2;
  Execution execution(&model, std::move(spec), &observer);
  ASSERT_OK(RunAlone(&model, &execution));
  EXPECT_THAT(observer.lines,
              ::testing::IsSupersetOf(
                  {"step 1/4", "step 2/4 preview", "step 3/4", "step 4/4"}));
}

TEST(ExecutionTest, ASeedDecidesTheMapAndNothingElseDoes) {
  const auto draw = [](uint64_t seed) {
    FakeModel model(SmallScript());
    LogObserver observer;
    Execution execution(&model, Spec(Reasoning(), model, seed), &observer);
    EXPECT_OK(RunAlone(&model, &execution));
    return observer.maps.at(0)->decoded.pixels;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

TEST(ExecutionTest, ADepthMapIsColouredAndResizedForTheModel) {
  FakeModel model(SmallScript());
  LogObserver observer;
  Execution execution(&model, Spec(Reasoning(), model), &observer);
  ASSERT_OK(RunAlone(&model, &execution));
  const DrawnMap& map = *observer.maps.at(0);
  EXPECT_EQ(map.depth.pixels, image::DepthOf(map.decoded).pixels);
  EXPECT_EQ(map.picture.pixels, image::ColourDepth(map.depth).pixels);
  EXPECT_EQ(map.vision->size, (image::Size{98, 84}));
}

}  // namespace
}  // namespace cooper::engine
