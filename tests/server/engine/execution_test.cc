#include "server/engine/execution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/fake/fake_model.h"
#include "model/image/maps.h"
#include "model/image/resize.h"
#include "server/engine/error.h"
#include "server/engine/generate_program.h"
#include "server/engine/map_program.h"
#include "server/engine/perceive_program.h"
#include "server/engine/reasoning_program.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using fake::FakeModel;
using ::testing::ElementsAre;
using Call = fake::FakeFault::Call;
using State = Execution::State;

constexpr char kQuestion[] = "a depth question";

// What happened, as lines.
class LogObserver final : public ExecutionObserver {
 public:
  void OnTextDelta(TextDeltaEvent&& delta) override {
    const int channel = static_cast<int>(delta.channel);
    const std::string key = absl::StrCat("text ", delta.turn, " ", channel);
    if (lines.empty() || last_key_ != key) lines.push_back(key + ":");
    last_key_ = key;
    lines.back() += delta.text;
  }
  void OnToken(int turn) override { ++tokens; }
  void OnMapStarted(MapStartedEvent&& started) override {
    Add(absl::StrCat("map ", started.map_id, " started ", started.size.width,
                     "x", started.size.height, " ", started.num_steps, " '",
                     started.request_text, "'"));
  }
  void OnMapStep(int map_id, int step, int num_steps,
                 std::optional<image::FloatRgbImage>&& preview) override {
    Add(absl::StrCat("step ", step, "/", num_steps,
                     preview.has_value() ? " preview" : ""));
  }
  void OnMapDrawn(const std::shared_ptr<const DrawnMap>& map) override {
    Add(absl::StrCat("map ", map->map_id, " drawn"));
    maps.push_back(map);
  }
  std::vector<std::string> lines;
  std::vector<std::shared_ptr<const DrawnMap>> maps;
  int tokens = 0;

 private:
  void Add(std::string line) {
    lines.push_back(std::move(line));
    last_key_.clear();
  }
  std::string last_key_;
};

ProgramOptions Options() {
  ProgramOptions options;
  options.max_think_tokens = 200;
  options.map_size = {96, 80};
  return options;
}

ExecutionSpec Spec(std::unique_ptr<Program> program, const FakeModel& model,
                   uint64_t seed = 7) {
  ExecutionSpec spec;
  spec.program = std::move(program);
  PreparedImage image;
  image.latents = std::make_shared<const image::RgbImage>(TestImage(96, 80));
  image.vision = std::make_shared<const image::RgbImage>(
      image::ApplyRule(*image.latents, model.info().vit_rule));
  spec.images = {image};
  spec.noise = std::make_unique<model::SeededNoise>(seed);
  spec.flow.num_timesteps = 4;
  return spec;
}

std::unique_ptr<Program> Reasoning(const std::string& question = kQuestion,
                                   ProgramOptions options = Options()) {
  return std::make_unique<ReasoningProgram>(
      std::vector<ProgramInput>{InputImage{0},
                                TextPart{question, TextOrigin::kUser}},
      std::move(options));
}

FakeModel::Hooks Recording() {
  FakeModel::Hooks hooks;
  hooks.record = true;
  return hooks;
}

int64_t TextRows(const FakeModel& model, const std::string& text) {
  return static_cast<int64_t>(model.text_codec()
                                  .Encode(text, model::ControlText::kParse)
                                  .size()) +
         2;
}

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

TEST(ExecutionTest, CountsWhatItUsed) {
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
                vit + TextRows(model, kQuestion) + vit +
                TextRows(model, prompts.reflection_prompt));
  EXPECT_EQ(totals.output_tokens,
            static_cast<int64_t>(std::string(kDepthText).size() +
                                 std::string(kAnswerText).size()));
  EXPECT_EQ(totals.turns, 2);
  EXPECT_EQ(totals.maps, 1);
  EXPECT_EQ(totals.flow_steps, 3);
  EXPECT_EQ(observer.tokens, totals.output_tokens);
}

TEST(ExecutionTest, EncodesNothingTwiceForTheGuidanceBranches) {
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
  EXPECT_EQ(model.appended_tokens(),
            TextRows(model, prompts.interleave_reason_system_prompt) + vae +
                vit + 2 * TextRows(model, kQuestion) + 1 + 1 +
                TextRows(model, kDepthText) + 2 * vit +
                2 * TextRows(model, prompts.reflection_prompt));
}

TEST(ExecutionTest, WithoutAnImageTheBranchesShareEverything) {
  FakeModel model(SmallScript());
  LogObserver observer;
  ExecutionSpec spec = Spec(
      std::make_unique<ReasoningProgram>(
          std::vector<ProgramInput>{TextPart{kQuestion, TextOrigin::kUser}},
          Options()),
      model);
  Execution execution(&model, std::move(spec), &observer);
  ASSERT_OK(RunAlone(&model, &execution));
  const int64_t vit = 98 / 14 * (84 / 14) + 2;
  const model::Prompts prompts = model::Prompts::Cooper();
  EXPECT_EQ(model.appended_tokens(),
            TextRows(model, prompts.interleave_reason_system_prompt) +
                TextRows(model, kQuestion) + 1 + 1 + vit +
                TextRows(model, prompts.reflection_prompt));
}

TEST(ExecutionTest, PacksConsecutiveSegmentsIntoOneCall) {
  FakeModel model(SmallScript(), Recording());
  LogObserver observer;
  Execution execution(&model, Spec(Reasoning(), model), &observer);
  ASSERT_OK(RunAlone(&model, &execution));
  std::vector<int> items;
  for (const FakeModel::Record& record : model.records()) {
    if (record.call == Call::kAppend) items.push_back(record.items);
  }
  // System text; image as latents and vision, question on both branches; the
  // text on three branches; map and reflection on two.
  EXPECT_THAT(items, ElementsAre(1, 4, 3, 4));
}

TEST(ExecutionTest, TakesNoMoreRowsThanItIsGranted) {
  FakeModel model(SmallScript());
  LogObserver observer;
  Execution execution(&model, Spec(Reasoning(), model), &observer);
  int calls = 0;
  while (execution.state() == State::kAppend) {
    std::vector<model::AppendItem> items;
    const int64_t rows = execution.append_rows();
    execution.TakeAppends(60, &items);
    int64_t taken = 0;
    for (const model::AppendItem& item : items) {
      const auto* text = std::get_if<model::TextSegment>(item.segment);
      taken += text != nullptr ? static_cast<int64_t>(text->ids.size()) : 0;
    }
    EXPECT_LE(taken, rows);
    EXPECT_TRUE(items.size() == 1 || taken <= 60);
    ASSERT_OK(model.Append(absl::MakeSpan(items)));
    execution.OnAppended(items);
    ++calls;
  }
  EXPECT_GT(calls, 3);
  EXPECT_EQ(execution.state(), State::kDecode);
}

TEST(ExecutionTest, ReEncodesATextThatItsTokensDoNotSpell) {
  // The fake's own text is cut at a spelled-out control token: what is in the
  // cache is more than what counts.
  fake::FakeScript script = SmallScript();
  script.scripts = {
      {kQuestion, {absl::StrCat(kDepthText, "<|im_end|> junk"), kAnswerText}}};
  // The scripted turn never matches what is appended, so turn 0 comes again.
  FakeModel model(script);
  LogObserver observer;
  ProgramOptions options = Options();
  options.max_turns = 2;
  Execution execution(&model, Spec(Reasoning(kQuestion, options), model),
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
    ProgramOptions options = Options();
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

TEST(ExecutionTest, AllModesReachTheirEndAndGiveEverythingBack) {
  FakeModel model(SmallScript());
  const std::vector<ProgramInput> inputs = {
      InputImage{0}, TextPart{kQuestion, TextOrigin::kUser}};
  std::vector<std::unique_ptr<Program>> programs;
  programs.push_back(std::make_unique<ReasoningProgram>(inputs, Options()));
  programs.push_back(std::make_unique<PerceiveProgram>(inputs, Options()));
  programs.push_back(std::make_unique<MapProgram>(inputs, Options()));
  programs.push_back(std::make_unique<GenerateProgram>(inputs, Options()));
  for (auto& program : programs) {
    LogObserver observer;
    Execution execution(&model, Spec(std::move(program), model), &observer);
    ASSERT_OK(RunAlone(&model, &execution));
    EXPECT_EQ(model.live_contexts(), 0);
    EXPECT_EQ(model.live_flows(), 0);
    EXPECT_EQ(model.used_tokens(), 0);
  }
}

TEST(ExecutionTest, AFullPoolFailsTheRequestWithAHintToRetry) {
  fake::FakeScript script = SmallScript();
  script.kv_capacity_tokens = 1000;
  FakeModel model(script);
  LogObserver observer;
  Execution execution(&model, Spec(Reasoning(), model), &observer);
  const absl::Status status = RunAlone(&model, &execution);
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kMemoryPressure);
  EXPECT_TRUE(DetailsOf(status).retry_after.has_value());
  EXPECT_EQ(model.used_tokens(), 0);
}

TEST(ExecutionTest, ItemFaultsFailTheRequestInTheirPhase) {
  const struct {
    Call call;
    absl::StatusCode code;
    State phase;
    ErrorReason reason;
  } cases[] = {
      {Call::kAppend, absl::StatusCode::kInternal, State::kAppend,
       ErrorReason::kNumeric},
      {Call::kDecode, absl::StatusCode::kInternal, State::kDecode,
       ErrorReason::kNumeric},
      {Call::kStartFlow, absl::StatusCode::kResourceExhausted,
       State::kFlowStart, ErrorReason::kMemoryPressure},
      {Call::kStartFlow, absl::StatusCode::kInvalidArgument, State::kFlowStart,
       ErrorReason::kInvalidArgument},
      {Call::kLatents, absl::StatusCode::kInternal, State::kLatents,
       ErrorReason::kNumeric},
  };
  for (const auto& c : cases) {
    fake::FakeScript script = SmallScript();
    script.faults = {
        {c.call, fake::FakeFault::Effect::kItem, 1, kQuestion, c.code}};
    FakeModel model(script);
    LogObserver observer;
    Execution execution(&model, Spec(Reasoning(), model), &observer);
    EXPECT_EQ(DetailsOf(RunAlone(&model, &execution)).reason, c.reason);
    EXPECT_EQ(execution.state(), State::kFailed);
    EXPECT_EQ(execution.last_phase(), c.phase);
  }
}

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
  void OnFlow(const FlowWork& work, const model::Context& cond,
              const model::Context& no_text,
              const model::Context& no_image) override {
    flows.push_back(
        {cond.cache_length(), no_text.cache_length(), no_image.cache_length()});
  }
  void OnPicture(const FlowWork& work, DrawnMap* map) override {
    map->picture = TestImage(96, 80, 99);
  }
  void OnFinish(const FinishWork&,
                const std::array<std::unique_ptr<model::Context>, kSlots>&
                    contexts) override {
    end = contexts[0]->cache_length();
  }
  std::vector<std::array<int64_t, 4>> counters;
  std::vector<std::array<int64_t, 3>> flows;
  int64_t end = 0;
};

TEST(ExecutionTest, AProbeSeesEveryOpAndReplacesTextsAndPictures) {
  FakeModel model(SmallScript());
  LogObserver observer;
  LogProbe probe;
  Execution execution(&model, Spec(Reasoning(), model), &observer, &probe);
  ASSERT_OK(RunAlone(&model, &execution));
  const model::Prompts prompts = model::Prompts::Cooper();
  const int64_t s = TextRows(model, prompts.interleave_reason_system_prompt);
  const int64_t q = TextRows(model, kQuestion);
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
  EXPECT_THAT(probe.flows, ElementsAre(std::array<int64_t, 3>{
                               a + q + t, a + q + c, s + q + t}));
  EXPECT_EQ(probe.end, a + q + t + vit + r);
  EXPECT_EQ(observer.maps.at(0)->picture.pixels, TestImage(96, 80, 99).pixels);
  EXPECT_EQ(execution.finish().answer, kAnswerText);
}

TEST(ExecutionTest, AUsersControlSpellingsAreTextUnlessToldOtherwise) {
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
