#include "model/torch/torch_model.h"

#include <ATen/TensorOperators.h>

#include <filesystem>
#include <fstream>

#include "tests/model/torch/nano_model.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

using cooper::testing::StatusIs;
using ::testing::_;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr image::Size kLatent{64, 80};
constexpr image::Size kVision{70, 84};

// A request as the server makes it: text, image as latents and as the encoder
// sees it, text.
std::vector<model::Segment> Prompt(int seed, model::NoiseSource* noise) {
  return {SomeText(5 + seed, seed),
          model::LatentImageSegment{Picture(kLatent, seed), noise},
          model::VisionImageSegment{Picture(kVision, seed)},
          SomeText(9, seed + 50)};
}

std::unique_ptr<model::Context> PromptContext(TorchModel& model, int seed) {
  model::SeededNoise noise(seed);
  std::unique_ptr<model::Context> context = model.NewContext();
  PrefillAll(model, context.get(), Prompt(seed, &noise));
  return context;
}

std::unique_ptr<model::Denoiser> StartDenoise(TorchModel& model,
                                              const model::Context& cond,
                                              const model::Context& no_text,
                                              const model::Context& no_image,
                                              image::Size size, int seed,
                                              int num_timesteps) {
  model::SeededNoise noise(seed + 1000);
  model::DenoiseSpec spec;
  spec.size = size;
  spec.options.num_timesteps = num_timesteps;
  spec.cond = &cond;
  spec.no_text = &no_text;
  spec.no_image = &no_image;
  spec.noise = &noise;
  auto flow = model.StartDenoise(spec);
  EXPECT_OK(flow);
  return *std::move(flow);
}

at::Tensor State(const model::Denoiser& flow) {
  return static_cast<const TorchDenoiser&>(flow).x();
}

void RunToEnd(TorchModel& model, std::vector<model::Denoiser*> denoisers) {
  while (!denoisers.empty()) {
    auto step = model.BeginDenoiseStep(denoisers);
    ASSERT_OK(step);
    while (true) {
      auto done = (*step)->RunSlice(absl::ZeroDuration());
      ASSERT_OK(done);
      if (*done) break;
    }
    std::erase_if(denoisers, [](const model::Denoiser* flow) {
      return flow->steps_done() == flow->steps_total();
    });
  }
}

TEST(TorchModelTest, TokensDoNotDependOnTheBatch) {
  TorchModel& model = NanoModel();
  std::vector<std::unique_ptr<model::Context>> contexts;
  std::vector<std::vector<model::TokenId>> alone;
  for (int seed = 0; seed < 5; ++seed) {
    contexts.push_back(PromptContext(model, seed));
    alone.push_back(DecodeTokens(model, *contexts.back(), 12));
  }
  // All prompts in one call, then all tokens in common batches.
  std::vector<std::unique_ptr<model::SeededNoise>> noises;
  std::vector<std::vector<model::Segment>> prompts;
  std::vector<std::unique_ptr<model::Context>> together;
  std::vector<model::PrefillItem> items;
  for (int seed = 0; seed < 5; ++seed) {
    noises.push_back(std::make_unique<model::SeededNoise>(seed));
    prompts.push_back(Prompt(seed, noises.back().get()));
    together.push_back(model.NewContext());
  }
  for (int part = 0; part < 4; ++part) {
    for (int seed = 0; seed < 5; ++seed) {
      items.push_back({together[seed].get(), &prompts[seed][part], {}});
    }
  }
  ASSERT_OK(model.Prefill(absl::MakeSpan(items)));
  std::vector<model::DecodeItem> decode(5);
  std::vector<std::vector<model::TokenId>> tokens(5);
  for (int seed = 0; seed < 5; ++seed) {
    ASSERT_EQ(together[seed]->cache_length(), contexts[seed]->cache_length());
    ASSERT_EQ(together[seed]->next_position(), contexts[seed]->next_position());
    decode[seed].context = together[seed].get();
    decode[seed].token = model.text_codec().special().bos;
  }
  for (int i = 0; i < 12; ++i) {
    ASSERT_OK(model.Decode(absl::MakeSpan(decode)));
    for (int seed = 0; seed < 5; ++seed) {
      ASSERT_OK(decode[seed].status);
      tokens[seed].push_back(decode[seed].next);
      decode[seed].token = decode[seed].next;
    }
  }
  EXPECT_EQ(tokens, alone);
}

TEST(TorchModelTest, MapsDoNotDependOnTheBatchNorOnNeighboursThatLeave) {
  TorchModel& model = NanoModel();
  const auto cond = PromptContext(model, 1);
  const auto other = PromptContext(model, 2);
  const auto empty = model.NewContext();
  const auto alone = StartDenoise(model, *cond, *other, *empty, kLatent, 1,
                                  /*num_timesteps=*/4);
  RunToEnd(model, {alone.get()});

  const auto mine = StartDenoise(model, *cond, *other, *empty, kLatent, 1, 4);
  const auto wide = StartDenoise(model, *other, *cond, *cond, {96, 64}, 2, 6);
  auto leaving = StartDenoise(model, *other, *cond, *empty, {64, 64}, 3, 5);
  model::Denoiser* const denoisers[] = {leaving.get(), mine.get(), wide.get()};
  auto step = model.BeginDenoiseStep(denoisers);
  ASSERT_OK(step);
  ASSERT_OK((*step)->RunSlice(absl::ZeroDuration()));
  (*step)->Drop(leaving.get());
  leaving.reset();
  ASSERT_OK((*step)->RunSlice(absl::InfiniteDuration()));
  EXPECT_EQ(mine->steps_done(), 1);
  step->reset();
  RunToEnd(model, {mine.get(), wide.get()});
  EXPECT_LT((State(*mine) - State(*alone)).abs().max().item<double>(), 1e-4);
}

TEST(TorchModelTest, AForkOfADecodedContextGoesOnAsItsOriginal) {
  TorchModel& model = NanoModel();
  const auto context = PromptContext(model, 4);
  const auto tokens = DecodeTokens(model, *context, 6);
  const auto fork = context->Fork();
  PrefillAll(model, fork.get(), {SomeText(3, 9)});
  EXPECT_EQ(DecodeTokens(model, *context, 6), tokens);
  EXPECT_NE(fork->cache_length(), context->cache_length());
}

TEST(TorchModelTest, ContextsComeBackToThePool) {
  TorchModel& model = NanoModel();
  const int64_t before = model.kv_usage().used_bytes;
  {
    const auto context = PromptContext(model, 6);
    const auto flow =
        StartDenoise(model, *context, *context, *context, kLatent, 1, 3);
    EXPECT_GT(model.kv_usage().used_bytes, before);
  }
  EXPECT_EQ(model.kv_usage().used_bytes, before);
}

TEST(TorchModelTest, AFullPoolHitsOnlyTheItemThatNeedsMore) {
  // 1 MiB: 16 pages of 64 tokens at least.
  const std::unique_ptr<TorchModel> model = NanoModelWithPool(4);
  const auto capacity = static_cast<int>(model->info().kv_capacity_tokens);
  const auto small = model->NewContext();
  const auto large = model->NewContext();
  const model::Segment few = SomeText(3, 1);
  const model::Segment many = SomeText(capacity + 1, 2);
  model::PrefillItem items[] = {{large.get(), &many, {}},
                                {small.get(), &few, {}}};
  ASSERT_OK(model->Prefill(absl::MakeSpan(items)));
  EXPECT_THAT(items[0].status,
              StatusIs(absl::StatusCode::kResourceExhausted, _));
  EXPECT_OK(items[1].status);
  EXPECT_EQ(large->cache_length(), 0);
  EXPECT_EQ(small->cache_length(), 5);
}

TEST(TorchModelTest, BadSegmentsAreRefusedByThemselves) {
  TorchModel& model = NanoModel();
  const auto context = model.NewContext();
  const auto fine = model.NewContext();
  model::SeededNoise noise(1);
  const model::Segment bad[] = {
      model::TextSegment{{-1}},
      model::TextSegment{{1 << 20}},
      model::TextSegment{},
      model::LatentImageSegment{Picture({60, 64}, 1), &noise},
      model::LatentImageSegment{Picture({1600, 64}, 1), &noise},
      model::VisionImageSegment{Picture({15, 14}, 1)}};
  for (const model::Segment& segment : bad) {
    const model::Segment good = SomeText(2, 1);
    model::PrefillItem items[] = {{context.get(), &segment, {}},
                                  {fine.get(), &good, {}}};
    ASSERT_OK(model.Prefill(absl::MakeSpan(items)));
    EXPECT_THAT(items[0].status,
                StatusIs(absl::StatusCode::kInvalidArgument, _));
    EXPECT_OK(items[1].status);
    EXPECT_EQ(context->cache_length(), 0);
  }
}

TEST(TorchModelTest, AMapOfAnImpossibleSizeIsRefused) {
  TorchModel& model = NanoModel();
  const auto empty = model.NewContext();
  model::SeededNoise noise(1);
  model::DenoiseSpec spec;
  spec.cond = spec.no_text = spec.no_image = empty.get();
  spec.noise = &noise;
  for (const image::Size size :
       {image::Size{0, 16}, image::Size{24, 16}, image::Size{176, 16}}) {
    spec.size = size;
    EXPECT_THAT(model.StartDenoise(spec),
                StatusIs(absl::StatusCode::kInvalidArgument, _));
  }
}

TEST(TorchModelTest, WarmUpLeavesNothingBehind) {
  TorchModel& model = NanoModel();
  const int64_t before = model.kv_usage().used_bytes;
  EXPECT_OK(model.WarmUp());
  EXPECT_EQ(model.kv_usage().used_bytes, before);
}

TEST(LoadModelTest, TellsWhatItReadsAndHowFarItIs) {
  const std::string nano = COOPER_TEST_DATA "/goldens/nano";
  model::LoadProgress progress(base::Clock::Real());
  LoadOptions options;
  options.checkpoint_dirs = {nano};
  options.device = "cpu";
  options.progress = &progress;
  ASSERT_OK_AND_ASSIGN(const auto loaded, TorchModel::Load(options));
  const model::LoadProgress::State state = progress.state();
  EXPECT_EQ(state.stage, model::LoadStage::kReading);
  EXPECT_GT(state.total_bytes, 2'000'000);
  EXPECT_EQ(state.done_bytes, state.total_bytes);
  const model::ModelInfo& info = loaded->info();
  ASSERT_EQ(info.files.size(), 2);
  EXPECT_EQ(info.files[0].path, nano + "/ema.safetensors");
  EXPECT_EQ(info.files[0].tensors, 167);
  EXPECT_EQ(info.files[1].tensors, 176);
  EXPECT_GE(info.threads, 1);
  EXPECT_THAT(info.instruction_set, AnyOf("avx512", "avx2", "baseline"));
}

TEST(LoadModelTest, TakesTheThreadsThatItIsGiven) {
  LoadOptions options;
  options.checkpoint_dirs = {COOPER_TEST_DATA "/goldens/nano"};
  options.device = "cpu";
  for (const int threads : {2, 1}) {
    options.threads = threads;
    ASSERT_OK_AND_ASSIGN(const auto loaded, TorchModel::Load(options));
    EXPECT_EQ(loaded->info().threads, threads);
  }
}

class BrokenCheckpointTest : public ::testing::Test {
 protected:
  BrokenCheckpointTest()
      : directory_(std::filesystem::path(::testing::TempDir()) /
                   "broken_checkpoint") {
    std::filesystem::remove_all(directory_);
    std::filesystem::copy(std::string(COOPER_TEST_DATA) + "/goldens/nano",
                          directory_);
  }
  ~BrokenCheckpointTest() override { std::filesystem::remove_all(directory_); }

  void Replace(const std::string& file, const std::string& from,
               const std::string& to) {
    std::ifstream in(directory_ / file);
    std::string text((std::istreambuf_iterator<char>(in)), {});
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    std::ofstream(directory_ / file) << text.replace(at, from.size(), to);
  }

  absl::Status Load(const std::string& device = "cpu") {
    LoadOptions options;
    options.checkpoint_dirs = {directory_.string()};
    options.device = device;
    return TorchModel::Load(options).status();
  }

  const std::filesystem::path directory_;
};

TEST_F(BrokenCheckpointTest, NamesTensorsThatDoNotFit) {
  Replace("llm_config.json", "\"intermediate_size\": 176",
          "\"intermediate_size\": 180");
  EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kDataLoss,
                               HasSubstr("mlp.gate_proj.weight is [176,96]")));
}

TEST_F(BrokenCheckpointTest, NamesTensorsThatAreMissing) {
  Replace("llm_config.json", "\"num_hidden_layers\": 4",
          "\"num_hidden_layers\": 5");
  EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kDataLoss,
                               HasSubstr("layers.4.input_layernorm.weight")));
}

TEST_F(BrokenCheckpointTest, NamesTheFileThatIsMissing) {
  std::filesystem::remove(directory_ / "ae.safetensors");
  EXPECT_THAT(Load(), StatusIs(absl::StatusCode::kNotFound,
                               HasSubstr("ae.safetensors")));
}

TEST_F(BrokenCheckpointTest, ADeviceThatIsNotThereIsAStatus) {
  EXPECT_THAT(Load("tpu"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tpu")));
  EXPECT_THAT(Load("cuda:77"),
              StatusIs(absl::StatusCode::kFailedPrecondition, _));
}

}  // namespace
}  // namespace cooper::torch_model
