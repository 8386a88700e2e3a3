// Memory that runs out at any point of a call: the call says so, its contexts
// and denoisers stay as they were, and the same call succeeds afterwards.

#include <ATen/TensorOperators.h>

#include <functional>
#include <memory>
#include <vector>

#include "tests/model/torch/failing_allocator.h"
#include "tests/model/torch/nano_model.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

// The generic kernels: what a GPU runs.
TorchModel& GenericModel() {
  static TorchModel* const kModel = [] {
    LoadOptions options;
    options.checkpoint_dirs = {std::string(COOPER_TEST_DATA) + "/goldens/nano"};
    options.device = "cpu";
    options.kernels = "generic";
    options.kv_cache_mib = 64;
    auto model = TorchModel::Load(options);
    EXPECT_OK(model);
    return model->release();
  }();
  return *kModel;
}

class OutOfMemoryTest : public ::testing::Test {
 protected:
  // Runs `call` with each of its allocations failing in turn, until it
  // succeeds. Returns how often it failed.
  int FailEachAllocation(const std::function<absl::Status()>& call) {
    FailingAllocator allocator;
    for (int count = 0;; ++count) {
      allocator.FailAfter(count);
      const absl::Status status = call();
      const bool failed = allocator.failed();
      allocator.FailAfter(-1);
      if (!failed) {
        EXPECT_OK(status);
        return count;
      }
      // Every allocation of the call was made, the last one of them with
      // nothing left to do.
      if (status.ok()) return count;
      EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
      if (status.code() != absl::StatusCode::kResourceExhausted) return count;
    }
  }

  // Drops `what` from the step while there is no memory: the step then says so,
  // once it is to go on.
  template <typename Step, typename What>
  void DropWithoutMemory(Step* step, const What* what) {
    {
      FailingAllocator allocator;
      allocator.FailAfter(0);
      step->Drop(what);
      allocator.FailAfter(-1);
    }
    EXPECT_EQ(step->RunSlice(absl::InfiniteDuration()).status().code(),
              absl::StatusCode::kResourceExhausted);
  }

  std::unique_ptr<model::Context> ContextOf(int tokens) {
    std::unique_ptr<model::Context> context = model_.NewContext();
    PrefillAll(model_, context.get(), {SomeText(tokens, 3)});
    return context;
  }

  TorchModel& model_ = GenericModel();
};

TEST_F(OutOfMemoryTest, ADecodedTokenLeavesItsContextAsItWas) {
  const std::unique_ptr<model::Context> context = ContextOf(70);
  const std::unique_ptr<model::Context> undisturbed = context->Fork();
  const uint64_t lineage = context->lineage();
  model::DecodeItem item;
  item.context = context.get();
  item.token = 65;
  const int failures = FailEachAllocation([&] {
    const absl::Status status = model_.Decode(absl::MakeSpan(&item, 1));
    if (!status.ok()) {
      EXPECT_EQ(context->lineage(), lineage);
      EXPECT_EQ(context->cache_length(), undisturbed->cache_length());
    }
    return status;
  });
  EXPECT_GT(failures, 50);
  EXPECT_OK(item.status);
  model::DecodeItem alone;
  alone.context = undisturbed.get();
  alone.token = 65;
  ASSERT_OK(model_.Decode(absl::MakeSpan(&alone, 1)));
  EXPECT_EQ(item.next, alone.next);
}

TEST_F(OutOfMemoryTest, APrefillLeavesItsContextAsItWas) {
  const std::unique_ptr<model::Context> context = ContextOf(5);
  const std::unique_ptr<model::Context> undisturbed = context->Fork();
  const auto segments = [](model::NoiseSource* noise) {
    return std::vector<model::Segment>{
        SomeText(9, 1), model::LatentImageSegment{Picture({64, 64}, 1), noise},
        model::VisionImageSegment{Picture({56, 56}, 1)}};
  };
  const int failures = FailEachAllocation([&]() -> absl::Status {
    model::SeededNoise noise(1);
    const std::vector<model::Segment> all = segments(&noise);
    std::vector<model::PrefillItem> items;
    items.reserve(all.size());
    for (const model::Segment& segment : all) {
      items.push_back({context.get(), &segment, absl::OkStatus()});
    }
    const absl::Status status = model_.Prefill(absl::MakeSpan(items));
    if (!status.ok()) {
      EXPECT_EQ(context->cache_length(), undisturbed->cache_length());
      EXPECT_EQ(context->lineage(), undisturbed->lineage());
    }
    return status;
  });
  EXPECT_GT(failures, 200);
  model::SeededNoise noise(1);
  PrefillAll(model_, undisturbed.get(), segments(&noise));
  EXPECT_EQ(context->next_position(), undisturbed->next_position());
  EXPECT_EQ(DecodeTokens(model_, *context, 4),
            DecodeTokens(model_, *undisturbed, 4));
}

class OutOfMemoryDenoiseTest : public OutOfMemoryTest {
 protected:
  std::unique_ptr<model::Denoiser> Start(const model::Context& cond) {
    model::SeededNoise noise(5);
    model::DenoiseSpec spec;
    spec.size = {48, 64};
    spec.options.num_timesteps = 4;
    spec.cond = &cond;
    spec.no_text = &cond;
    spec.no_image = &cond;
    spec.noise = &noise;
    auto flow = model_.StartDenoise(spec);
    EXPECT_OK(flow);
    return *std::move(flow);
  }
  absl::Status Step(const std::vector<model::Denoiser*>& denoisers) {
    auto step = model_.BeginDenoiseStep(denoisers);
    if (!step.ok()) return step.status();
    return (*step)->RunSlice(absl::InfiniteDuration()).status();
  }
  static const at::Tensor& X(const model::Denoiser& flow) {
    return static_cast<const TorchDenoiser&>(flow).x();
  }
};

TEST_F(OutOfMemoryDenoiseTest, ADenoisingStepLeavesEveryFlowAsItWas) {
  const std::unique_ptr<model::Context> cond = ContextOf(20);
  const auto first = Start(*cond);
  const auto second = Start(*cond);
  const auto undisturbed = Start(*cond);
  const at::Tensor before = X(*first).clone();
  const int failures = FailEachAllocation([&] {
    const absl::Status status = Step({first.get(), second.get()});
    if (!status.ok()) {
      // Both or none: a flow that has advanced would be advanced twice.
      EXPECT_EQ(first->steps_done(), 0);
      EXPECT_EQ(second->steps_done(), 0);
      EXPECT_TRUE(X(*first).equal(before));
    }
    return status;
  });
  EXPECT_GT(failures, 200);
  ASSERT_OK(Step({undisturbed.get()}));
  EXPECT_TRUE(X(*first).allclose(X(*undisturbed), 1e-5, 1e-5));
}

TEST_F(OutOfMemoryDenoiseTest, AMapsDecodingLeavesItsFlowAsItWas) {
  const std::unique_ptr<model::Context> cond = ContextOf(6);
  const auto flow = Start(*cond);
  model::VaeDecodeItem want;
  want.denoiser = flow.get();
  ASSERT_OK(model_.VaeDecode(absl::MakeSpan(&want, 1)));
  model::VaeDecodeItem item;
  item.denoiser = flow.get();
  const int failures = FailEachAllocation([&] {
    const absl::Status status = model_.VaeDecode(absl::MakeSpan(&item, 1));
    return status.ok() ? item.status : status;
  });
  EXPECT_GT(failures, 50);
  EXPECT_EQ(item.image.pixels, want.image.pixels);
}

// A cancel while memory is short must not take the process down.
TEST_F(OutOfMemoryDenoiseTest, AFlowThatLeavesWithoutMemoryEndsTheStepOnly) {
  const std::unique_ptr<model::Context> cond = ContextOf(20);
  const auto first = Start(*cond);
  const auto second = Start(*cond);
  model::Denoiser* const denoisers[] = {first.get(), second.get()};
  auto step = model_.BeginDenoiseStep(denoisers);
  ASSERT_OK(step);
  ASSERT_OK((*step)->RunSlice(absl::ZeroDuration()));
  DropWithoutMemory(step->get(), first.get());
  step->reset();
  EXPECT_EQ(second->steps_done(), 0);
  EXPECT_OK(Step({second.get()}));
}

TEST_F(OutOfMemoryTest, AContextThatLeavesWithoutMemoryEndsTheStepOnly) {
  const std::unique_ptr<model::Context> first = model_.NewContext();
  const std::unique_ptr<model::Context> second = model_.NewContext();
  const model::Segment text = SomeText(12, 1);
  const auto begin = [&](std::vector<model::PrefillItem>* items) {
    *items = {{first.get(), &text, absl::OkStatus()},
              {second.get(), &text, absl::OkStatus()}};
    return model_.BeginPrefill(absl::MakeSpan(*items));
  };
  std::vector<model::PrefillItem> items;
  auto step = begin(&items);
  ASSERT_OK(step);
  ASSERT_OK((*step)->RunSlice(absl::ZeroDuration()));
  DropWithoutMemory(step->get(), first.get());
  step->reset();
  EXPECT_EQ(second->cache_length(), 0);
  PrefillAll(model_, second.get(), {text});
}

}  // namespace
}  // namespace cooper::torch_model
