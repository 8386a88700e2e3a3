// Denoising steps of a map, and what they make of a whole request.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "model/noise.h"
#include "model/torch/pass.h"
#include "tests/bench/gpu/activity.h"
#include "tests/bench/gpu/bench.h"
#include "tests/bench/gpu/request.h"
#include "tests/bench/gpu/scene.h"
#include "tests/bench/network_calls.h"
#include "tests/bench/require.h"
#include "tests/bench/timing.h"

namespace cooper::bench {
namespace {

constexpr int kSteps = 12;
constexpr double kGoal = 1.25;

// Steps of one kind: all of a scene's branches, or the first ones.
class Case {
 public:
  Case(Bench& bench, const Scene& scene, int side, int branches)
      : bench_(bench), scene_(scene), side_(side), branches_(branches) {}

  std::string name() const {
    return absl::StrCat("denoise ", side_, "^2, ", branches_,
                        branches_ == 1 ? " branch" : " branches",
                        scene_.has_image() ? "" : ", text only");
  }

  std::string conditions() const {
    std::vector<double> lengths = scene_.lengths();
    lengths.resize(branches_);
    return bench_.Conditions(absl::StrCat(
        branches_, branches_ == 1 ? " branch, no guidance" : " branches",
        branches_ == 1 ? "" : ", guidance [0, 1]", ", one update, contexts of ",
        absl::StrJoin(lengths, ", "), " tokens"));
  }

  double floor_seconds() const {
    std::vector<double> lengths = scene_.lengths();
    lengths.resize(branches_);
    return bench_.floors()
        .DenoiseStep(static_cast<double>(bench_.latents(side_)), lengths)
        .OverlappedSeconds(bench_.rates());
  }

  std::unique_ptr<model::Denoiser> Start() const {
    model::SeededNoise noise(1);
    model::DenoiseSpec spec;
    spec.size = {side_, side_};
    spec.options.num_timesteps = 1000;
    if (branches_ < 3) spec.options.cfg_img_scale = 1.0;
    if (branches_ < 2) spec.options.cfg_text_scale = 1.0;
    spec.cond = &scene_.cond();
    spec.no_text = &scene_.no_text();
    spec.no_image = &scene_.no_image();
    spec.noise = &noise;
    auto flow = bench_.model().StartDenoise(spec);
    Require(flow.status());
    return *std::move(flow);
  }

  // Of a whole step, and the row of it.
  StepSeconds Measure() {
    const auto flow = Start();
    const std::vector<double> steps =
        bench_.Times(0, kSteps, [&] { StepOne(bench_.model(), flow.get()); });
    whole_ = Median(std::vector<double>(steps.begin() + 2, steps.end()));
    bench_.AddTime(absl::StrCat(name(), ": a step"), conditions(), whole_,
                   floor_seconds(), kGoal);
    bench_.AddValue(absl::StrCat(name(), ": first step, of the tenth"),
                    conditions(), steps[0] / steps[9], "ratio");
    return {whole_, floor_seconds()};
  }

  // After Measure.
  void MeasureUnderstandingRows();
  void MeasureSlices();
  void MeasureIdle();

 private:
  Bench& bench_;
  const Scene& scene_;
  const int side_;  // px
  const int branches_;
  double whole_ = 0.0;
};

// The two delimiters of each branch read the understanding weights: a pass of
// them alone, over the same contexts.
void Case::MeasureUnderstandingRows() {
  const torch_model::TorchModel& model = bench_.model();
  const model::SpecialTokens& special = model.text_codec().special();
  const double seconds = bench_.MedianSeconds(2, 5, [&] {
    torch_model::PassInput input;
    input.need_gen = false;
    std::vector<model::TokenId> ids;
    for (const model::Context* context :
         {&scene_.cond(), &scene_.no_text(), &scene_.no_image()}) {
      torch_model::Segment segment;
      segment.context = const_cast<torch_model::PagedContext*>(
          static_cast<const torch_model::PagedContext*>(context));
      segment.kv_before = context->cache_length();
      segment.und_begin = static_cast<int64_t>(ids.size());
      segment.und_count = 2;
      input.segments.push_back(segment);
      input.und_positions.insert(input.und_positions.end(), 2,
                                 context->next_position());
      ids.insert(ids.end(), {special.soi, special.eoi});
    }
    input.hidden.und = model.transformer().Embed(ids);
    input.hidden.gen = input.hidden.und.narrow(0, 0, 0);
    torch_model::Pass pass(&model.transformer(), std::move(input));
    pass.RunAll();
  });
  bench_.AddValue(absl::StrCat(name(), ": share of the understanding rows"),
                  absl::StrCat(conditions(), "; a pass of them alone"),
                  100.0 * seconds / whole_, "%");
}

void Case::MeasureSlices() {
  constexpr absl::Duration kSlice = absl::Milliseconds(50);
  const auto flow = Start();
  model::Denoiser* const denoisers[] = {flow.get()};
  int slices = 0;
  double longest = 0.0;
  const double seconds = bench_.MedianSeconds(2, 5, [&] {
    auto step = bench_.model().BeginDenoiseStep(denoisers);
    Require(step.status());
    bool done = false;
    for (slices = 0, longest = 0.0; !done; ++slices) {
      longest = std::max(longest, Seconds([&] {
                           const auto result = (*step)->RunSlice(kSlice);
                           Require(result.status());
                           done = *result;
                         }));
    }
  });
  bench_.AddValue(
      absl::StrCat(name(), ": in slices of 50 ms, of whole"),
      absl::StrCat(conditions(), "; ", slices, " slices, the longest ",
                   static_cast<int>(longest * 1e3), " ms"),
      seconds / whole_, "ratio");
}

void Case::MeasureIdle() {
  constexpr int kObserved = 3;
  const auto flow = Start();
  StepOne(bench_.model(), flow.get());
  const Activity activity = Observe(bench_.device(), [&] {
    for (int i = 0; i < kObserved; ++i) StepOne(bench_.model(), flow.get());
  });
  AddActivity(bench_, name(), conditions(), activity, kObserved, whole_, 1.0);
}

}  // namespace

void MeasureFlow(Bench& bench) {
  const int side = bench.sizes().map_side;
  for (const int size : {side, side / 2}) {
    RequestSteps steps;
    {
      const Scene scene(bench, size);
      Case guided(bench, scene, size, 3);
      steps.image_guided = guided.Measure();
      if (size == side) {
        guided.MeasureUnderstandingRows();
        guided.MeasureSlices();
        guided.MeasureIdle();
      }
      steps.image_plain = Case(bench, scene, size, 1).Measure();
    }
    const Scene text(bench, /*side=*/0);
    steps.text_guided = Case(bench, text, size, 2).Measure();
    steps.text_plain = Case(bench, text, size, 1).Measure();
    AddRequests(bench, size, steps);
  }
}

}  // namespace cooper::bench
