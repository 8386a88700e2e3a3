#include "server/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/core/error.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using absl::StatusCode;
using Call = fake::FakeFault::Call;
using ::testing::Each;
using ::testing::ElementsAre;

TEST(EngineTest, StreamsTextMapAndAnswerInOrder) {
  EngineHarness harness;
  const auto recorded = harness.Submit(Question("a depth question"));
  ASSERT_OK(recorded->WaitDone());
  std::vector<std::string> kinds;
  for (const Event& event : recorded->events()) {
    static const char* const kNames[] = {"started",  "text", "map_started",
                                         "progress", "map",  "finished"};
    const std::string kind = kNames[event.index()];
    if (kinds.empty() || kinds.back() != kind) kinds.push_back(kind);
  }
  EXPECT_THAT(kinds, ElementsAre("started", "text", "map_started", "progress",
                                 "map", "text", "finished"));
  EXPECT_EQ(recorded->Text(TextChannel::kThink), " Look.  Done. ");
  EXPECT_EQ(recorded->Text(TextChannel::kPerceptionRequest), "Depth, please.");
  EXPECT_EQ(recorded->Text(TextChannel::kAnswer), " It is \\boxed{A}. ");
  const auto started = recorded->All<StartedEvent>().at(0);
  EXPECT_EQ(started.request_id, "a depth question");
  EXPECT_EQ(started.seed, 7U);
  const auto map_started = recorded->All<MapStartedEvent>().at(0);
  EXPECT_EQ(map_started.size, (image::Size{96, 80}));
  EXPECT_EQ(map_started.num_steps, 3);
  EXPECT_EQ(recorded->All<MapProgressEvent>().size(), 3U);
  EXPECT_EQ(recorded->All<MapEvent>().size(), 2U);
}

TEST(EngineTest, FinishedTellsAnswerAndUsage) {
  fake::FakeScript script = SmallScript();
  script.delays.latents = absl::Milliseconds(5);
  script.delays.append = absl::Milliseconds(2);
  script.delays.decode = absl::Milliseconds(1);
  script.delays.flow_layer = absl::Milliseconds(3);
  EngineHarness harness(script);
  const auto recorded = harness.Submit(Question("a depth question"));
  ASSERT_OK(recorded->WaitDone());
  const FinishedEvent finished = recorded->All<FinishedEvent>().at(0);
  EXPECT_EQ(finished.reason, FinishReason::kAnswered);
  EXPECT_EQ(finished.answer, kAnswerText);
  EXPECT_EQ(finished.boxed, "A");
  EXPECT_EQ(finished.usage.maps, 1);
  EXPECT_EQ(finished.usage.denoise_steps, 3);
  EXPECT_EQ(finished.usage.output_tokens,
            static_cast<int64_t>(std::string(kDepthText).size() +
                                 std::string(kAnswerText).size()));
  EXPECT_GT(finished.usage.input_tokens, 0);
  // Five prefill batches (three of the prompt); every token and both eos; three
  // steps of four layers.
  EXPECT_LT(finished.usage.prefill, absl::Milliseconds(5 * 2));
  EXPECT_EQ(finished.usage.decode,
            absl::Milliseconds(finished.usage.output_tokens + 2));
  EXPECT_EQ(finished.usage.denoise, absl::Milliseconds(3 * 4 * 3));
  // Latents of the input image, a share of prefill batches, and of the map.
  EXPECT_GT(finished.usage.vae, absl::Milliseconds(5));
  EXPECT_EQ(finished.usage.prefill + finished.usage.vae,
            absl::Milliseconds(5 * 2 + 5));
  EXPECT_EQ(finished.usage.queued, absl::ZeroDuration());
  EXPECT_EQ(finished.usage.total,
            finished.usage.prefill + finished.usage.decode +
                finished.usage.denoise + finished.usage.vae);
}

TEST(EngineTest, RunsEveryKindOfTask) {
  EngineHarness harness;
  Request text = Question("q");
  text.task = ReasonTask{Mode::kTextOnly, 3};
  Request perceive = Question("q");
  perceive.task = ReasonTask{Mode::kPerceiveThenAnswer, 3};
  Request depth = Question("");
  depth.task = MapTask{model::MapKind::kDepth};
  depth.inputs.pop_back();
  Request segment = Question("");
  segment.task = MapTask{model::MapKind::kSegmentation};
  segment.inputs.pop_back();
  Request picture = Question("A chair.");
  picture.task = GenerateTask{.think = true, .size = {64, 64}};
  const struct {
    Request request;
    std::vector<model::MapKind> kinds;
  } cases[] = {
      {text, {}},
      {perceive, {model::MapKind::kDepth, model::MapKind::kSegmentation}},
      {depth, {model::MapKind::kDepth}},
      {segment, {model::MapKind::kSegmentation}},
      {picture, {model::MapKind::kImage}},
  };
  for (const auto& c : cases) {
    const auto recorded = harness.Submit(c.request);
    ASSERT_OK(recorded->WaitDone());
    std::vector<model::MapKind> kinds;
    for (const auto& started : recorded->All<MapStartedEvent>()) {
      kinds.push_back(started.kind);
    }
    EXPECT_EQ(kinds, c.kinds);
    EXPECT_EQ(recorded->All<FinishedEvent>().at(0).reason,
              FinishReason::kAnswered);
  }
  harness.ExpectNothingLeft();
}

TEST(EngineTest, EightMixedRequestsRunTogetherAndEndOneByOne) {
  EngineHarness harness;
  harness.HoldModel();
  std::vector<std::shared_ptr<Recorded>> all;
  all.reserve(8);
  for (int i = 0; i < 8; ++i) {
    all.push_back(
        harness.Submit(Question(absl::StrCat(i % 4 == 0   ? "both question "
                                             : i % 4 == 1 ? "depth question "
                                                          : "question ",
                                             i),
                                /*num_timesteps=*/20)));
  }
  // Let the model go once all eight could be started.
  harness.AwaitLoad(0, 8, 8);
  harness.ReleaseModel();
  for (int i = 0; i < 8; ++i) {
    ASSERT_OK(all[i]->WaitDone());
    EXPECT_EQ(all[i]->All<MapEvent>().size(), i % 4 == 0   ? 3U
                                              : i % 4 == 1 ? 2U
                                                           : 0U);
    EXPECT_EQ(all[i]->dones(), 1);
  }
  int decoded_together = 0;
  int denoisers_together = 0;
  for (const auto& record : harness.model().records()) {
    if (record.call == Call::kDecode) {
      decoded_together = std::max(decoded_together, record.items);
    }
    if (record.call == Call::kDenoiseSlice) {
      denoisers_together = std::max(denoisers_together, record.items);
    }
  }
  EXPECT_EQ(decoded_together, 8);
  EXPECT_EQ(denoisers_together, 4);
  harness.ExpectNothingLeft();
}

TEST(EngineTest, AResultDoesNotDependOnItsNeighbours) {
  const auto map_of = [](EngineHarness& harness) {
    const auto recorded = harness.Submit(Question("a depth question"));
    EXPECT_OK(recorded->WaitDone());
    return *recorded->All<MapEvent>().at(0).data;
  };
  EngineHarness alone;
  EngineHarness crowded;
  std::vector<std::shared_ptr<Recorded>> neighbours;
  neighbours.reserve(5);
  for (int i = 0; i < 5; ++i) {
    Request request = Question(absl::StrCat("both question ", i), 3 + i);
    request.seed = i;
    neighbours.push_back(crowded.Submit(request));
  }
  EXPECT_EQ(map_of(alone), map_of(crowded));
  for (const auto& neighbour : neighbours) EXPECT_OK(neighbour->WaitDone());
}

TEST(EngineTest, TextFlowsWhileAMapIsDrawn) {
  fake::FakeScript script = SmallScript();
  script.delays.flow_layer = absl::Milliseconds(20);
  script.flow_layers = 10;
  EngineOptions options;
  options.slice = absl::Milliseconds(50);
  EngineHarness harness(script, options);
  harness.HoldModelAt(Call::kDenoiseSlice);
  const auto map = harness.Submit(Question("a depth question", 50));
  harness.AwaitHeld();
  const auto text = harness.Submit(Question("a question"));
  harness.AwaitLoad(0, 2, 2);
  const size_t before = harness.model().records().size();
  harness.ReleaseModel();
  ASSERT_OK(text->WaitDone());
  ASSERT_OK(map->WaitDone());
  // While both are under way at most one slice goes between two tokens.
  const auto records = harness.model().records();
  int slices_in_a_row = 0;
  int decodes = 0;
  for (size_t i = before; i < records.size(); ++i) {
    if (records[i].call == Call::kDecode) ++decodes;
    if (decodes == 0) continue;
    if (decodes >= static_cast<int>(std::string(kAnswerText).size())) break;
    slices_in_a_row =
        records[i].call == Call::kDenoiseSlice ? slices_in_a_row + 1 : 0;
    EXPECT_LE(slices_in_a_row, 1);
  }
  EXPECT_GT(decodes, 0);
}

TEST(EngineTest, TextFlowsWhileAMapsLatentsAreDecoded) {
  fake::FakeScript script = SmallScript();
  script.delays.latents = absl::Milliseconds(400);
  EngineOptions options;
  options.slice = absl::Milliseconds(50);
  EngineHarness harness(script, options);
  harness.HoldModelAt(Call::kVaeDecode);
  const auto map = harness.Submit(Question("a depth question"));
  harness.AwaitHeld();
  const auto text = harness.Submit(Question("a question"));
  harness.AwaitLoad(0, 2, 2);
  harness.ReleaseModel();
  ASSERT_OK(text->WaitDone());
  ASSERT_OK(map->WaitDone());
  // Each slice but the last is followed by others' work.
  const auto records = harness.model().records();
  int slices = 0;
  int decodes_between = 0;
  for (size_t i = 0; i + 1 < records.size(); ++i) {
    if (records[i].call != Call::kVaeDecode) continue;
    ++slices;
    if (records[i + 1].call == Call::kDecode) ++decodes_between;
  }
  EXPECT_EQ(slices, 8);
  EXPECT_GE(decodes_between, 6);
}

TEST(EngineTest, TextFlowsWhileAnImageIsAppended) {
  fake::FakeScript script = SmallScript();
  script.delays.prefill_token = absl::Milliseconds(1);
  EngineOptions options;
  options.slice = absl::Milliseconds(50);
  options.prefix_cache_bytes = 0;
  EngineHarness harness(script, options);
  harness.HoldModelAt(Call::kDecode);
  const auto text = harness.Submit(Question("a question"));
  harness.AwaitHeld();
  const auto image = harness.Submit(Question("another question"));
  harness.AwaitLoad(0, 2, 2);
  const size_t before = harness.model().records().size();
  harness.ReleaseModel();
  ASSERT_OK(text->WaitDone());
  ASSERT_OK(image->WaitDone());
  // What the other brings takes several slices, and none goes behind another
  // before the next token.
  const auto records = harness.model().records();
  int appends = 0;
  for (size_t i = before; i < records.size(); ++i) {
    if (records[i].call != Call::kPrefill) continue;
    ++appends;
    ASSERT_LT(i + 1, records.size());
    EXPECT_EQ(records[i + 1].call, Call::kDecode) << "append " << appends;
  }
  EXPECT_GE(appends, 3);
}

TEST(EngineTest, RunsNoMoreThanItsLimitAtOnce) {
  EngineOptions options;
  options.max_running = 2;
  EngineHarness harness(SmallScript(), options);
  harness.HoldModel();
  std::vector<std::shared_ptr<Recorded>> all;
  all.reserve(8);
  for (int i = 0; i < 5; ++i) {
    all.push_back(harness.Submit(Question("a depth question")));
  }
  harness.AwaitLoad(3, 2, 4);
  harness.ReleaseModel();
  for (const auto& recorded : all) ASSERT_OK(recorded->WaitDone());
  for (const auto& record : harness.model().records()) {
    EXPECT_LE(record.call == Call::kDecode ? record.items : 0, 2);
  }
}

TEST(EngineTest, AFullQueueRefusesWithATimeToRetry) {
  EngineOptions options;
  options.max_running = 1;
  options.max_queue = 2;
  EngineHarness harness(SmallScript(), options);
  harness.HoldModel();
  std::vector<std::shared_ptr<Recorded>> all;
  all.reserve(8);
  for (int i = 0; i < 3; ++i) all.push_back(harness.Submit(Question("q")));
  auto refused = std::make_shared<Recorded>();
  const absl::Status status = harness.engine().Submit(
      Question("q"), std::make_unique<RecordingSink>(refused));
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kQueueFull);
  EXPECT_TRUE(DetailsOf(status).retry_after.has_value());
  harness.ReleaseModel();
  for (const auto& recorded : all) EXPECT_OK(recorded->WaitDone());
  EXPECT_EQ(refused->dones(), 0);
}

TEST(EngineTest, WaitsForContextMemoryAndEvictsNobody) {
  fake::FakeScript script = SmallScript();
  script.kv_capacity_tokens = 9600;  // room for two such requests
  EngineHarness harness(script);
  harness.HoldModel();
  std::vector<std::shared_ptr<Recorded>> all;
  all.reserve(8);
  for (int i = 0; i < 6; ++i) {
    Request request = Question("a depth question");
    request.max_think_tokens = 120;
    all.push_back(harness.Submit(request));
  }
  harness.AwaitLoad(4, 2, 6);
  harness.ReleaseModel();
  for (const auto& recorded : all) EXPECT_OK(recorded->WaitDone());
  harness.ExpectNothingLeft();
}

TEST(EngineTest, RefusesWhatCanNeverFit) {
  fake::FakeScript script = SmallScript();
  script.kv_capacity_tokens = 9000;
  EngineHarness harness(script);
  Request request = Question("a depth question");
  request.max_think_tokens = 4096;
  const absl::Status status = harness.Submit(request)->WaitDone();
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kContextTooLarge);
  harness.ExpectNothingLeft();
}

TEST(EngineTest, ABadImageEndsItsRequestOnly) {
  EngineHarness harness;
  Request bad = Question("q");
  std::get<ImageInput>(bad.inputs[0]).bytes = "not an image";
  const auto failed = harness.Submit(bad);
  const auto fine = harness.Submit(Question("q"));
  EXPECT_EQ(DetailsOf(failed->WaitDone()).reason, ErrorReason::kInvalidImage);
  EXPECT_OK(fine->WaitDone());
}

TEST(EngineTest, RefusesWhatTheCheckpointCannotDo) {
  fake::FakeScript script = SmallScript();
  script.can_generate_maps = false;
  EngineHarness harness(script);
  auto recorded = std::make_shared<Recorded>();
  const absl::Status status = harness.engine().Submit(
      Question("q"), std::make_unique<RecordingSink>(recorded));
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kUnsupported);
  Request text = Question("q");
  text.task = ReasonTask{Mode::kTextOnly, 3};
  EXPECT_OK(harness.Submit(text)->WaitDone());
}

TEST(EngineTest, PreviewsComeWithTheirSteps) {
  EngineHarness harness;
  Request request = Question("a depth question", 7);
  request.output.preview_every = 2;
  const auto recorded = harness.Submit(request);
  ASSERT_OK(recorded->WaitDone());
  std::vector<int> steps;
  std::set<int> previews;
  for (const auto& progress : recorded->All<MapProgressEvent>()) {
    steps.push_back(progress.step);
    if (progress.preview_png.has_value()) previews.insert(progress.step);
  }
  EXPECT_THAT(steps, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_TRUE(previews.contains(2));
  EXPECT_THAT(previews, Each(::testing::AnyOf(2, 4)));
}

TEST(EngineTest, OptionsAreChecked) {
  EXPECT_OK(EngineOptions{}.Validate());
  EngineOptions options;
  options.max_running = 0;
  EXPECT_THAT(options.Validate(),
              testing::StatusIs(StatusCode::kInvalidArgument,
                                "max_running: must be in [1, 1024], not 0"));
  options = {};
  options.slice = absl::ZeroDuration();
  EXPECT_FALSE(options.Validate().ok());
}

TEST(EngineTest, TheLastStepMovesWithWorkAndWakes) {
  EngineHarness harness;
  harness.clock().Advance(absl::Seconds(5));
  ASSERT_OK(harness.Submit(Question("q"))->WaitDone());
  harness.AwaitLastStep(harness.clock().Now());
  EXPECT_TRUE(harness.engine().healthy());
}

}  // namespace
}  // namespace cooper::engine
