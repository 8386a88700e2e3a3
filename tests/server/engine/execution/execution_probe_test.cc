#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/fake/fake_model.h"
#include "server/engine/execution/execution.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/execution/execution_fixture.h"
#include "tests/testing/run_alone.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using fake::FakeModel;
using ::testing::ElementsAre;

// A probe that scripts texts and pictures, and logs the ops' counters.
class LogProbe final : public ExecutionProbe {
 public:
  void OnContextOp(const ContextOp& op, ContextCounters before,
                   ContextCounters after) override {
    if (std::holds_alternative<ForkOp>(op)) return;
    counters.push_back({before.cache_length, after.cache_length,
                        before.next_position, after.next_position});
  }
  std::optional<std::string> ReplaceText(const DecodeWork& work,
                                         const model::Context&) override {
    return work.turn == 0 ? kSegmentText : kAnswerText;
  }
  void OnDenoise(const DenoiseWork& work, const model::Context& cond,
                 const model::Context& no_text,
                 const model::Context& no_image) override {
    denoisers.push_back(
        {cond.cache_length(), no_text.cache_length(), no_image.cache_length()});
  }
  void OnPicture(const DenoiseWork& work, DrawnMap* map) override {
    map->picture = TestImage(96, 80, 99);
  }
  void OnFinish(const FinishWork&,
                const std::array<std::unique_ptr<model::Context>, kBranches>&
                    contexts) override {
    end = contexts[0]->cache_length();
  }
  std::vector<std::array<int64_t, 4>> counters;
  std::vector<std::array<int64_t, 3>> denoisers;
  int64_t end = 0;
};

TEST(ExecutionProbeTest, AProbeSeesEveryOpAndReplacesTextsAndPictures) {
  FakeModel model(SmallScript());
  LogObserver observer;
  LogProbe probe;
  Execution execution(&model, Spec(Reasoning(), model), &observer, &probe);
  ASSERT_OK(RunAlone(&model, &execution));
  const model::Prompts prompts = model::Prompts::Cooper();
  const int64_t s = TextRows(model, prompts.interleave_reason_system_prompt);
  const int64_t q = TextRows(model, kDepthQuestion);
  const int64_t t = TextRows(model, kSegmentText);
  const int64_t c = TextRows(model, "<think> Look. </think>\n");
  const int64_t r = TextRows(model, prompts.reflection_prompt);
  const int64_t vae = 32;
  const int64_t vit = 44;
  const int64_t a = s + vae + vit;  // cond before the question
  using Op = std::array<int64_t, 4>;
  EXPECT_THAT(
      probe.counters,
      ElementsAre(Op{0, s, 0, s}, Op{0, s, 0, s}, Op{s, s + vae, s, s + 1},
                  Op{s + vae, a, s + 1, s + 2}, Op{a, a + q, s + 2, s + 2 + q},
                  Op{s, s + q, s, s + q},
                  Op{a + q, a + q + c, s + 2 + q, s + 2 + q + c},
                  Op{a + q, a + q + t, s + 2 + q, s + 2 + q + t},
                  Op{s + q, s + q + t, s + q, s + q + t},
                  Op{a + q + t, a + q + t + vit, s + 2 + q + t, s + 3 + q + t},
                  Op{a + q + t + vit, a + q + t + vit + r, s + 3 + q + t,
                     s + 3 + q + t + r},
                  Op{s + q + t, s + q + t + vit, s + q + t, s + q + t + 1},
                  Op{s + q + t + vit, s + q + t + vit + r, s + q + t + 1,
                     s + q + t + 1 + r}));
  EXPECT_THAT(probe.denoisers, ElementsAre(std::array<int64_t, 3>{
                                   a + q + t, a + q + c, s + q + t}));
  EXPECT_EQ(probe.end, a + q + t + vit + r);
  EXPECT_EQ(observer.maps.at(0)->picture.pixels, TestImage(96, 80, 99).pixels);
  EXPECT_EQ(execution.finish().answer, kAnswerText);
}

}  // namespace
}  // namespace cooper::engine
