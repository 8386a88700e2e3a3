#include "model/fake/fake_model.h"

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"

namespace cooper::fake {
namespace {

using absl::StatusCode;
using model::TokenId;
using ::testing::ElementsAre;

model::TextSegment Text(const std::string& text) {
  const FakeCodec codec;
  model::TextSegment segment{{codec.special().bos}};
  for (const TokenId id : codec.Encode(text, model::ControlText::kParse)) {
    segment.ids.push_back(id);
  }
  segment.ids.push_back(codec.special().eos);
  return segment;
}

absl::Status Append(FakeModel& model, model::Context* context,
                    const model::Segment& segment) {
  model::PrefillItem item{context, &segment, {}};
  const absl::Status status = model.Prefill(absl::MakeSpan(&item, 1));
  return status.ok() ? item.status : status;
}

// The text that greedy decoding gives, on a fork as the engine does.
std::string DecodeText(FakeModel& model, const model::Context& context) {
  const auto scratch = context.Fork();
  std::vector<TokenId> ids;
  TokenId token = model.text_codec().special().bos;
  while (ids.size() < 10000) {
    model::DecodeItem item;
    item.context = scratch.get();
    item.token = token;
    EXPECT_OK(model.Decode(absl::MakeSpan(&item, 1)));
    EXPECT_OK(item.status);
    if (!item.status.ok() || item.next == model.text_codec().special().eos) {
      break;
    }
    ids.push_back(token = item.next);
  }
  return model.text_codec().Decode(ids);
}

FakeScript TwoTurns() {
  FakeScript script;
  script.scripts = {{"depth", {"first", "second"}}};
  script.texts = {"default"};
  script.vae_rule = {128, 64, 16, 12000};
  return script;
}

TEST(FakeModelTest, WritesTheScriptOfTheQuestionTurnByTurn) {
  FakeModel model(TwoTurns());
  const auto context = model.NewContext();
  ASSERT_OK(Append(model, context.get(), Text("the depth, please")));
  EXPECT_EQ(DecodeText(model, *context), "first");
  EXPECT_EQ(DecodeText(model, *context), "first");  // nothing was appended
  ASSERT_OK(Append(model, context.get(), Text("first")));
  EXPECT_EQ(DecodeText(model, *context), "second");
  ASSERT_OK(Append(model, context.get(), Text("second")));
  EXPECT_EQ(DecodeText(model, *context), "second");  // the last one again
}

TEST(FakeModelTest, OtherQuestionsGetTheDefault) {
  FakeModel model(TwoTurns());
  const auto context = model.NewContext();
  ASSERT_OK(Append(model, context.get(), Text("hello")));
  EXPECT_EQ(DecodeText(model, *context), "default");
}

TEST(FakeModelTest, ADecodedTextCanBeContinued) {
  FakeModel model(TwoTurns());
  const auto context = model.NewContext();
  ASSERT_OK(Append(model, context.get(), Text("depth")));
  const auto scratch = context->Fork();
  TokenId token = model.text_codec().special().bos;
  while (token != model.text_codec().special().eos) {
    model::DecodeItem item;
    item.context = scratch.get();
    item.token = token;
    ASSERT_OK(model.Decode(absl::MakeSpan(&item, 1)));
    token = item.next;
  }
  ASSERT_OK(Append(model, scratch.get(), model::TextSegment{{token}}));
  EXPECT_EQ(DecodeText(model, *scratch), "second");
}

TEST(FakeModelTest, ImagesTakeTheRowsOfTheirTiles) {
  FakeModel model(TwoTurns());
  const auto context = model.NewContext();
  auto image = std::make_shared<image::RgbImage>();
  image->size = {96, 64};
  image->pixels.resize(size_t{96} * 64 * 3);
  model::SeededNoise noise(1);
  ASSERT_OK(
      Append(model, context.get(), model::LatentImageSegment{image, &noise}));
  EXPECT_EQ(context->cache_length(), 6 * 4 + 2);
  EXPECT_EQ(context->next_position(), 1);
  ASSERT_OK(Append(model, context.get(), model::VisionImageSegment{image}));
  EXPECT_EQ(context->cache_length(), 26 + 6 * 4 + 2);
  // The latents' noise was drawn: 16 channels at an eighth of the size.
  model::SeededNoise again(1);
  std::vector<float> drawn(size_t{16} * 12 * 8);
  again.FillNormal(absl::MakeSpan(drawn));
  EXPECT_EQ(noise.Uniform(), again.Uniform());
}

struct DenoiseRun {
  std::vector<float> current;
  std::vector<float> predicted;
  std::vector<float> last;
};
DenoiseRun DrawMap(FakeModel& model, const std::string& question,
                   uint64_t seed) {
  const auto context = model.NewContext();
  EXPECT_OK(Append(model, context.get(), Text(question)));
  model::SeededNoise noise(seed);
  model::DenoiseSpec spec;
  spec.size = {64, 64};
  spec.options.num_timesteps = 3;
  spec.cond = spec.no_text = spec.no_image = context.get();
  spec.noise = &noise;
  auto flow = model.StartDenoise(spec);
  EXPECT_OK(flow);
  const auto decode = [&](model::LatentEstimate estimate) {
    model::VaeDecodeItem item;
    item.denoiser = flow->get();
    item.estimate = estimate;
    EXPECT_OK(model.VaeDecode(absl::MakeSpan(&item, 1)));
    EXPECT_OK(item.status);
    EXPECT_EQ(item.image.size, (image::Size{64, 64}));
    return item.image.pixels;
  };
  const auto step = [&] {
    model::Denoiser* one = flow->get();
    auto under_way = model.BeginDenoiseStep(absl::MakeConstSpan(&one, 1));
    EXPECT_OK(under_way);
    EXPECT_TRUE(*(*under_way)->RunSlice(absl::InfiniteDuration()));
  };
  DenoiseRun run;
  EXPECT_EQ((*flow)->latent_tokens(), 16);
  EXPECT_EQ((*flow)->next_step_branches(), 3);
  step();
  run.current = decode(model::LatentEstimate::kCurrent);
  run.predicted = decode(model::LatentEstimate::kPredictedFinal);
  step();
  EXPECT_EQ((*flow)->steps_done(), (*flow)->steps_total());
  run.last = decode(model::LatentEstimate::kCurrent);
  return run;
}

TEST(FakeModelTest, AMapDependsOnSeedAndContextOnly) {
  FakeModel one(TwoTurns());
  FakeModel two(TwoTurns());
  const DenoiseRun run = DrawMap(one, "question", 1);
  EXPECT_EQ(run.last, DrawMap(two, "question", 1).last);
  EXPECT_NE(run.last, DrawMap(one, "question", 2).last);
  EXPECT_NE(run.last, DrawMap(one, "other", 1).last);
  EXPECT_NE(run.current, run.last);
  EXPECT_NE(run.predicted, run.current);
  for (const float value : run.last) {
    ASSERT_GE(value, 0.0F);
    ASSERT_LE(value, 1.0F);
  }
}

TEST(FakeModelTest, AFlowOfAnImpossibleSizeIsRefused) {
  FakeModel model(TwoTurns());
  const auto context = model.NewContext();
  model::SeededNoise noise(1);
  for (const image::Size size :
       {image::Size{60, 64}, image::Size{64, 0}, image::Size{256, 64}}) {
    model::DenoiseSpec spec;
    spec.size = size;
    spec.cond = spec.no_text = spec.no_image = context.get();
    spec.noise = &noise;
    EXPECT_EQ(model.StartDenoise(spec).status().code(),
              StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(model.live_denoisers(), 0);
}

TEST(FakeModelTest, AStepRunsInSlicesAndADroppedFlowStaysBehind) {
  absl::Time now = absl::UnixEpoch();
  FakeModel::Hooks hooks;
  hooks.now = [&now] { return now; };
  hooks.sleep = [&now](absl::Duration duration) { now += duration; };
  FakeScript script = TwoTurns();
  script.flow_layers = 5;
  script.delays.flow_layer = absl::Milliseconds(10);
  FakeModel model(script, hooks);
  const auto context = model.NewContext();
  model::SeededNoise noise(1);
  model::DenoiseSpec spec;
  spec.size = {64, 64};
  spec.cond = spec.no_text = spec.no_image = context.get();
  spec.noise = &noise;
  auto a = model.StartDenoise(spec);
  auto b = model.StartDenoise(spec);
  model::Denoiser* denoisers[] = {a->get(), b->get()};
  auto step = model.BeginDenoiseStep(denoisers);
  EXPECT_FALSE(*(*step)->RunSlice(absl::Milliseconds(20)));
  EXPECT_EQ(now, absl::UnixEpoch() + absl::Milliseconds(20));
  EXPECT_FALSE(*(*step)->RunSlice(absl::ZeroDuration()));  // one layer at least
  (*step)->Drop(b->get());
  EXPECT_TRUE(*(*step)->RunSlice(absl::InfiniteDuration()));
  EXPECT_EQ((*a)->steps_done(), 1);
  EXPECT_EQ((*b)->steps_done(), 0);
}

TEST(FakeModelTest, FaultsHitTheCallOrTheItemTheyName) {
  FakeScript script = TwoTurns();
  script.faults = {
      {FakeFault::Call::kPrefill, FakeFault::Effect::kItem, 1, "bad",
       StatusCode::kInternal},
      {FakeFault::Call::kDecode, FakeFault::Effect::kStatus, 2, "",
       StatusCode::kInternal},
      {FakeFault::Call::kVaeDecode, FakeFault::Effect::kThrow, 1, "",
       StatusCode::kInternal},
  };
  FakeModel model(script);
  const auto good = model.NewContext();
  const auto bad = model.NewContext();
  EXPECT_THAT(
      Append(model, bad.get(), Text("bad one")),
      testing::StatusIs(StatusCode::kInternal, "scripted item failure"));
  EXPECT_EQ(bad->cache_length(), 0);
  EXPECT_OK(Append(model, good.get(), Text("good one")));
  model::DecodeItem item;
  item.context = good.get();
  item.token = model.text_codec().special().bos;
  EXPECT_OK(model.Decode(absl::MakeSpan(&item, 1)));
  EXPECT_THAT(
      model.Decode(absl::MakeSpan(&item, 1)),
      testing::StatusIs(StatusCode::kInternal, "scripted device failure"));
  EXPECT_THROW((void)model.VaeDecode({}), std::runtime_error);
}

TEST(FakeModelTest, StallsOnceAndLeaksFromACallOn) {
  FakeScript script = TwoTurns();
  FakeFault stall;
  stall.call = FakeFault::Call::kDecode;
  stall.effect = FakeFault::Effect::kStall;
  stall.nth = 2;
  stall.stall = absl::Seconds(5);
  FakeFault leak = stall;
  leak.effect = FakeFault::Effect::kLeak;
  leak.leak_kib = 1;
  script.faults = {stall, leak};
  absl::Duration slept;
  FakeModel::Hooks hooks;
  hooks.sleep = [&](absl::Duration time) { slept += time; };
  FakeModel model(script, hooks);
  const auto context = model.NewContext();
  ASSERT_OK(Append(model, context.get(), Text("hello")));
  model::DecodeItem item;
  item.context = context.get();
  item.token = model.text_codec().special().bos;
  const size_t leaks[] = {0, 1, 2};
  for (const size_t expected : leaks) {
    EXPECT_OK(model.Decode(absl::MakeSpan(&item, 1)));
    EXPECT_EQ(model.leaks(), expected);
    EXPECT_EQ(slept, absl::Seconds(expected == 0 ? 0 : 5));
  }
}

TEST(FakeModelTest, RecordsItsCallsWhereTold) {
  FakeModel::Hooks hooks;
  hooks.record = true;
  FakeModel model(TwoTurns(), hooks);
  const auto a = model.NewContext();
  const auto b = model.NewContext();
  const model::Segment segment = Text("hello");
  model::PrefillItem items[] = {{a.get(), &segment, {}},
                                {b.get(), &segment, {}}};
  ASSERT_OK(model.Prefill(items));
  model::DecodeItem item;
  item.context = a.get();
  item.token = model.text_codec().special().bos;
  ASSERT_OK(model.Decode(absl::MakeSpan(&item, 1)));
  EXPECT_THAT(model.records(),
              ElementsAre(FakeModel::Record{FakeFault::Call::kPrefill, 2, 14},
                          FakeModel::Record{FakeFault::Call::kDecode, 1, 1}));
  EXPECT_EQ(model.prefilled_tokens(), 14);
  EXPECT_EQ(model.kv_usage().used_bytes, 15 * 1024);
}

}  // namespace
}  // namespace cooper::fake
