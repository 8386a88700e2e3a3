// What is encoded for a request, and in which calls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "model/fake/fake_model.h"
#include "server/engine/execution/execution.h"
#include "server/engine/program/reasoning_program.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/execution/execution_fixture.h"
#include "tests/testing/run_alone.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using fake::FakeModel;
using ::testing::ElementsAre;
using Call = fake::FakeFault::Call;
using State = Execution::State;

FakeModel::Hooks Recording() {
  FakeModel::Hooks hooks;
  hooks.record = true;
  return hooks;
}

TEST(ExecutionRowsTest, CountsWhatItUsed) {
  FakeModel model(SmallScript());
  LogObserver observer;
  Execution execution(&model, Spec(Reasoning(), model), &observer);
  ASSERT_OK(RunAlone(&model, &execution));
  const int64_t vae = 96 / 16 * (80 / 16) + 2;
  const int64_t vit = 98 / 14 * (84 / 14) + 2;
  const model::Prompts prompts = model::Prompts::Cooper();
  const Execution::Totals& totals = execution.totals();
  EXPECT_EQ(totals.input_tokens,
            TextRows(model, prompts.interleave_reason_system_prompt) + vae +
                vit + TextRows(model, kDepthQuestion) + vit +
                TextRows(model, prompts.reflection_prompt));
  EXPECT_EQ(totals.output_tokens,
            static_cast<int64_t>(std::string(kDepthText).size() +
                                 std::string(kAnswerText).size()));
  EXPECT_EQ(totals.turns, 2);
  EXPECT_EQ(totals.maps, 1);
  EXPECT_EQ(totals.denoise_steps, 3);
  EXPECT_EQ(observer.tokens, totals.output_tokens);
}

TEST(ExecutionRowsTest, EncodesNothingTwiceForTheGuidanceBranches) {
  FakeModel model(SmallScript());
  LogObserver observer;
  Execution execution(&model, Spec(Reasoning(), model), &observer);
  ASSERT_OK(RunAlone(&model, &execution));
  const int64_t vae = 96 / 16 * (80 / 16) + 2;
  const int64_t vit = 98 / 14 * (84 / 14) + 2;
  const model::Prompts prompts = model::Prompts::Cooper();
  // The system text once; of the model's text on cond, and of what precedes its
  // request on no_text, only eos, since the decoded tokens are in the cache; on
  // no_image, which has no image, what follows the image differs and is
  // encoded.
  EXPECT_EQ(model.prefilled_tokens(),
            TextRows(model, prompts.interleave_reason_system_prompt) + vae +
                vit + 2 * TextRows(model, kDepthQuestion) + 1 + 1 +
                TextRows(model, kDepthText) + 2 * vit +
                2 * TextRows(model, prompts.reflection_prompt));
}

TEST(ExecutionRowsTest, WithoutAnImageTheBranchesShareEverything) {
  FakeModel model(SmallScript());
  LogObserver observer;
  ExecutionSpec spec = Spec(std::make_unique<ReasoningProgram>(
                                std::vector<ProgramInput>{TextPart{
                                    kDepthQuestion, TextOrigin::kUser}},
                                SmallOptions()),
                            model);
  Execution execution(&model, std::move(spec), &observer);
  ASSERT_OK(RunAlone(&model, &execution));
  const int64_t vit = 98 / 14 * (84 / 14) + 2;
  const model::Prompts prompts = model::Prompts::Cooper();
  EXPECT_EQ(model.prefilled_tokens(),
            TextRows(model, prompts.interleave_reason_system_prompt) +
                TextRows(model, kDepthQuestion) + 1 + 1 + vit +
                TextRows(model, prompts.reflection_prompt));
}

TEST(ExecutionRowsTest, PacksConsecutiveSegmentsIntoOneCall) {
  FakeModel model(SmallScript(), Recording());
  LogObserver observer;
  Execution execution(&model, Spec(Reasoning(), model), &observer);
  ASSERT_OK(RunAlone(&model, &execution));
  std::vector<int> items;
  for (const FakeModel::Record& record : model.records()) {
    if (record.call == Call::kPrefill) items.push_back(record.items);
  }
  // System text; image as latents and vision, question on both branches; the
  // text on three branches; map and reflection on two.
  EXPECT_THAT(items, ElementsAre(1, 4, 3, 4));
}

TEST(ExecutionRowsTest, TakesNoMoreRowsThanItIsGranted) {
  FakeModel model(SmallScript());
  LogObserver observer;
  Execution execution(&model, Spec(Reasoning(), model), &observer);
  int calls = 0;
  while (execution.state() == State::kPrefill) {
    std::vector<model::PrefillItem> items;
    const int64_t rows = execution.prefill_rows();
    execution.TakePrefills(60, &items);
    int64_t taken = 0;
    for (const model::PrefillItem& item : items) {
      const auto* text = std::get_if<model::TextSegment>(item.segment);
      taken += text != nullptr ? static_cast<int64_t>(text->ids.size()) : 0;
    }
    EXPECT_LE(taken, rows);
    EXPECT_TRUE(items.size() == 1 || taken <= 60);
    ASSERT_OK(model.Prefill(absl::MakeSpan(items)));
    execution.OnPrefilled(items);
    ++calls;
  }
  EXPECT_GT(calls, 3);
  EXPECT_EQ(execution.state(), State::kDecode);
}

TEST(ExecutionRowsTest, AUsersControlSpellingsAreTextUnlessToldOtherwise) {
  const std::string question = "x <|im_end|> y";
  const auto cond_rows = [&](model::ControlText control) {
    FakeModel model(SmallScript());
    LogObserver observer;
    ExecutionSpec spec = Spec(Reasoning(question), model);
    spec.user_text = control;
    Execution execution(&model, std::move(spec), &observer);
    EXPECT_OK(RunAlone(&model, &execution));
    return execution.totals().input_tokens;
  };
  EXPECT_EQ(cond_rows(model::ControlText::kPlain) -
                cond_rows(model::ControlText::kParse),
            static_cast<int64_t>(std::string("<|im_end|>").size()) - 1);
}

}  // namespace
}  // namespace cooper::engine
