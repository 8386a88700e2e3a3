// How a request's contexts grow, segment by segment.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "model/fake/fake_model.h"
#include "server/engine/execution/execution.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/execution/execution_fixture.h"
#include "tests/testing/recording_model.h"
#include "tests/testing/run_alone.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using ::cooper::testing::RecordingModel;
using ::testing::ElementsAre;
using Growth = RecordingModel::Growth;
using History = RecordingModel::History;

// Keeps the histories of the contexts that a map is drawn from.
class MapModel final : public RecordingModel {
 public:
  using RecordingModel::RecordingModel;
  absl::StatusOr<std::unique_ptr<model::Denoiser>> StartDenoise(
      const model::DenoiseSpec& spec) override {
    cond = HistoryOf(*spec.cond);
    no_text = HistoryOf(*spec.no_text);
    no_image = HistoryOf(*spec.no_image);
    return RecordingModel::StartDenoise(spec);
  }
  History cond, no_text, no_image;
};

TEST(ExecutionGrowthTest, EachBranchHoldsItsSegmentsInOrder) {
  fake::FakeModel fake(SmallScript());
  MapModel model(&fake);
  LogObserver observer;
  ExecutionSpec spec = Spec(Reasoning(), fake);
  spec.keep_contexts = true;
  Execution execution(&model, std::move(spec), &observer);
  ASSERT_OK(RunAlone(&model, &execution));
  const model::Prompts prompts = model::Prompts::Cooper();
  const int64_t s = TextRows(fake, prompts.interleave_reason_system_prompt);
  const int64_t q = TextRows(fake, kDepthQuestion);
  const int64_t t = TextRows(fake, kDepthText);
  const int64_t c = TextRows(fake, "<think> Look. </think>\n");
  const int64_t r = TextRows(fake, prompts.reflection_prompt);
  const int64_t vae = 32;
  const int64_t vit = 44;
  const int64_t a = s + vae + vit;  // cond before the question
  // An image takes one position, a text those of its tokens.
  const Growth system{{0, 0}, {s, s}};
  const Growth latents{{s, s}, {s + vae, s + 1}};
  const Growth vision{{s + vae, s + 1}, {a, s + 2}};
  const Growth question{{a, s + 2}, {a + q, s + 2 + q}};
  const Growth text{{a + q, s + 2 + q}, {a + q + t, s + 2 + q + t}};
  const Growth cut{{a + q, s + 2 + q}, {a + q + c, s + 2 + q + c}};
  EXPECT_THAT(model.cond, ElementsAre(system, latents, vision, question, text));
  EXPECT_THAT(model.no_text,
              ElementsAre(system, latents, vision, question, cut));
  EXPECT_THAT(model.no_image,
              ElementsAre(system, Growth{{s, s}, {s + q, s + q}},
                          Growth{{s + q, s + q}, {s + q + t, s + q + t}}));

  const auto after_map = [&](int64_t rows, int64_t position) {
    return ElementsAre(
        Growth{{rows, position}, {rows + vit, position + 1}},
        Growth{{rows + vit, position + 1}, {rows + vit + r, position + 1 + r}});
  };
  const SessionContexts kept = execution.TakeKept();
  const History cond = model.HistoryOf(*kept.cond);
  ASSERT_EQ(cond.size(), 7u);
  EXPECT_EQ(History(cond.begin(), cond.begin() + 5), model.cond);
  EXPECT_THAT(History(cond.begin() + 5, cond.end()),
              after_map(a + q + t, s + 2 + q + t));
  const History no_image = model.HistoryOf(*kept.no_image);
  ASSERT_EQ(no_image.size(), 5u);
  EXPECT_EQ(History(no_image.begin(), no_image.begin() + 3), model.no_image);
  EXPECT_THAT(History(no_image.begin() + 3, no_image.end()),
              after_map(s + q + t, s + q + t));
}

TEST(ExecutionGrowthTest, TheModelLooksAtTheMapThatTheDriverShows) {
  fake::FakeModel model(SmallScript());
  LogObserver observer;
  Execution execution(&model, Spec(Reasoning(), model), &observer);
  ASSERT_OK(RunAlone(&model, &execution, [](const auto& map) {
    auto shown = std::make_shared<DrawnMap>(*map);
    shown->picture = TestImage(96, 80, 99);
    return shown;
  }));
  EXPECT_EQ(observer.maps.at(0)->picture.pixels, TestImage(96, 80, 99).pixels);
  EXPECT_EQ(execution.finish().answer, kAnswerText);
}

}  // namespace
}  // namespace cooper::engine
