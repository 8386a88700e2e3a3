// Appends and the decoding of latents, slice by slice: they give what they give
// in one go, whoever leaves meanwhile.

#include <ATen/TensorOperators.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tests/model/torch/nano_model.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

// A prompt of one context: text, an image both ways, text; or text alone.
struct Prompt {
  Prompt(TorchModel& model, int seed)
      : noise(seed),
        context(model.NewContext()),
        segments({SomeText(30, seed)}) {}
  Prompt(TorchModel& model, int seed, image::Size latents,
         std::shared_ptr<const image::RgbImage> vision)
      : noise(seed),
        context(model.NewContext()),
        segments({SomeText(20 + 40 * seed, seed),
                  model::LatentImageSegment{Picture(latents, seed), &noise},
                  model::VisionImageSegment{std::move(vision)},
                  SomeText(9, seed + 50)}) {}

  void AddTo(std::vector<model::PrefillItem>* items) {
    for (const model::Segment& segment : segments) {
      items->push_back({context.get(), &segment, absl::UnknownError("unset")});
    }
  }

  model::SeededNoise noise;
  std::unique_ptr<model::Context> context;
  std::vector<model::Segment> segments;
};

// Keys of all of a context's tokens in the last layer, [tokens, kv heads, dim]:
// they depend on everything before.
at::Tensor LastKeys(TorchModel& model, const model::Context& context) {
  const auto& paged = static_cast<const PagedContext&>(context);
  const auto layer = static_cast<int>(model.llm_config().num_hidden_layers) - 1;
  return paged.pool()->keys(layer).index_select(
      0, paged.Slots(paged.cache_length()));
}

class PrefillStepTest : public ::testing::Test {
 protected:
  // The first two show one image; the third another.
  std::vector<std::unique_ptr<Prompt>> Prompts() {
    const auto shared = Picture({70, 84}, 1);
    std::vector<std::unique_ptr<Prompt>> prompts;
    prompts.push_back(
        std::make_unique<Prompt>(model_, 1, image::Size{64, 80}, shared));
    prompts.push_back(
        std::make_unique<Prompt>(model_, 2, image::Size{96, 64}, shared));
    prompts.push_back(std::make_unique<Prompt>(model_, 3, image::Size{64, 64},
                                               Picture({98, 70}, 3)));
    prompts.push_back(std::make_unique<Prompt>(model_, 4));
    return prompts;
  }

  // Runs a step over all prompts with slices of no budget. After `slices` of
  // them `then` is called. Returns how many there were.
  int RunSlices(std::vector<std::unique_ptr<Prompt>>& prompts, int slices,
                const std::function<void(model::PrefillStep&)>& then) {
    items_.clear();
    for (const auto& prompt : prompts) prompt->AddTo(&items_);
    auto step = model_.BeginPrefill(absl::MakeSpan(items_));
    EXPECT_OK(step);
    for (int i = 0;; ++i) {
      if (i == slices) then(**step);
      const auto complete = (*step)->RunSlice(absl::ZeroDuration());
      EXPECT_OK(complete);
      if (*complete) return i + 1;
    }
  }

  void ExpectEqual(const Prompt& got, const Prompt& want) {
    ASSERT_EQ(got.context->cache_length(), want.context->cache_length());
    EXPECT_EQ(got.context->next_position(), want.context->next_position());
    EXPECT_LT((LastKeys(model_, *got.context) - LastKeys(model_, *want.context))
                  .abs()
                  .max()
                  .item<double>(),
              1e-5);
  }

  TorchModel& model_ = NanoModel();
  std::vector<model::PrefillItem> items_;
};

TEST_F(PrefillStepTest, GivesInSlicesWhatItGivesInOneGo) {
  auto whole = Prompts();
  std::vector<model::PrefillItem> items;
  for (const auto& prompt : whole) prompt->AddTo(&items);
  ASSERT_OK(model_.Prefill(absl::MakeSpan(items)));
  auto sliced = Prompts();
  const int slices = RunSlices(sliced, /*slices=*/3, [&](model::PrefillStep&) {
    // Nothing is there before the end.
    for (const auto& prompt : sliced) {
      EXPECT_EQ(prompt->context->cache_length(), 0);
    }
  });
  // Encoders alone have more parts.
  EXPECT_GT(slices, 40);
  for (const model::PrefillItem& item : items_) EXPECT_OK(item.status);
  for (size_t i = 0; i < whole.size(); ++i) ExpectEqual(*sliced[i], *whole[i]);
}

TEST_F(PrefillStepTest, WhatStaysIsTheSameWheneverAnotherLeaves) {
  auto whole = Prompts();
  for (const auto& prompt : whole) {
    PrefillAll(model_, prompt->context.get(), prompt->segments);
  }
  auto counted = Prompts();
  const int slices = RunSlices(counted, -1, {});
  for (size_t leaves = 0; leaves < whole.size(); ++leaves) {
    for (int after = 0; after < slices; after += 5) {
      SCOPED_TRACE(::testing::Message()
                   << "prompt " << leaves << " after " << after << " slices");
      auto prompts = Prompts();
      RunSlices(prompts, after, [&](model::PrefillStep& step) {
        step.Drop(prompts[leaves]->context.get());
        prompts[leaves].reset();
      });
      for (size_t i = 0; i < whole.size(); ++i) {
        if (i != leaves) ExpectEqual(*prompts[i], *whole[i]);
      }
    }
  }
}

TEST_F(PrefillStepTest, ATextGoesOnWhenAllImagesLeave) {
  auto whole = Prompts();
  PrefillAll(model_, whole[3]->context.get(), whole[3]->segments);
  auto counted = Prompts();
  const int slices = RunSlices(counted, -1, {});
  for (int after = 0; after < slices; after += after < 9 ? 1 : 3) {
    SCOPED_TRACE(after);
    auto prompts = Prompts();
    RunSlices(prompts, after, [&](model::PrefillStep& step) {
      for (int i = 0; i < 3; ++i) {
        step.Drop(prompts[i]->context.get());
        prompts[i].reset();
      }
    });
    ExpectEqual(*prompts[3], *whole[3]);
  }
}

TEST_F(PrefillStepTest, GivenUpItLeavesContextsAsTheyWere) {
  const int64_t used = model_.kv_usage().used_bytes;
  {
    auto prompts = Prompts();
    std::vector<model::PrefillItem> items;
    for (const auto& prompt : prompts) prompt->AddTo(&items);
    auto step = model_.BeginPrefill(absl::MakeSpan(items));
    ASSERT_OK(step);
    for (int i = 0; i < 30; ++i) {
      ASSERT_OK((*step)->RunSlice(absl::ZeroDuration()));
    }
    step->reset();
    for (const auto& prompt : prompts) {
      EXPECT_EQ(prompt->context->cache_length(), 0);
    }
    // The contexts are good for another append.
    auto again = Prompts();
    for (size_t i = 0; i < again.size(); ++i) {
      PrefillAll(model_, prompts[i]->context.get(), again[i]->segments);
      PrefillAll(model_, again[i]->context.get(), prompts[i]->segments);
      EXPECT_EQ(prompts[i]->context->cache_length(),
                again[i]->context->cache_length());
    }
  }
  EXPECT_EQ(model_.kv_usage().used_bytes, used);
}

TEST_F(PrefillStepTest, WhenAllHaveLeftItIsComplete) {
  auto prompts = Prompts();
  RunSlices(prompts, 20, [&](model::PrefillStep& step) {
    for (auto& prompt : prompts) {
      step.Drop(prompt->context.get());
      prompt.reset();
    }
    const auto complete = step.RunSlice(absl::ZeroDuration());
    ASSERT_OK(complete);
    EXPECT_TRUE(*complete);
  });
}

TEST(VaeDecodeStepTest, GivesInSlicesWhatItGivesInOneGo) {
  TorchModel& model = NanoModel();
  const auto cond = model.NewContext();
  PrefillAll(model, cond.get(), {SomeText(8, 1)});
  const auto start = [&](int seed) {
    model::SeededNoise noise(seed);
    model::DenoiseSpec spec;
    spec.size = {96, 64};
    spec.cond = spec.no_text = spec.no_image = cond.get();
    spec.noise = &noise;
    auto flow = model.StartDenoise(spec);
    EXPECT_OK(flow);
    return *std::move(flow);
  };
  const auto one = start(1);
  const auto two = start(2);
  std::vector<model::VaeDecodeItem> whole(2);
  whole[0].denoiser = one.get();
  whole[1].denoiser = two.get();
  std::vector<model::VaeDecodeItem> sliced = whole;
  ASSERT_OK(model.VaeDecode(absl::MakeSpan(whole)));
  auto step = model.BeginVaeDecode(absl::MakeSpan(sliced));
  ASSERT_OK(step);
  int slices = 0;
  for (bool complete = false; !complete; ++slices) {
    const auto ran = (*step)->RunSlice(absl::ZeroDuration());
    ASSERT_OK(ran);
    complete = *ran;
  }
  EXPECT_GT(slices, 20);
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(sliced[i].status);
    EXPECT_EQ(sliced[i].image.size, (image::Size{96, 64}));
    EXPECT_EQ(sliced[i].image.pixels, whole[i].image.pixels);
  }
  EXPECT_NE(whole[0].image.pixels, whole[1].image.pixels);
}

}  // namespace
}  // namespace cooper::torch_model
