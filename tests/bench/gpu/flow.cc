// Denoising steps of a map, and what they make of a whole request.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "model/noise.h"
#include "tests/bench/gpu/activity.h"
#include "tests/bench/gpu/bench.h"
#include "tests/bench/gpu/scene.h"
#include "tests/bench/network_calls.h"
#include "tests/bench/require.h"
#include "tests/bench/timing.h"

namespace cooper::bench {
namespace {

constexpr int kSteps = 12;
constexpr double kGoal = 1.25;

struct Case {
  int side = 0;      // px
  int branches = 0;  // 3, 2 (without an image) or 1 (no guidance)
};

std::unique_ptr<model::Flow> Start(Bench& bench, const Scene& scene,
                                   const Case& c) {
  model::SeededNoise noise(1);
  model::FlowSpec spec;
  spec.size = {c.side, c.side};
  spec.options.num_timesteps = 1000;
  if (c.branches < 3) spec.options.cfg_img_scale = 1.0;
  if (c.branches < 2) spec.options.cfg_text_scale = 1.0;
  spec.cond = &scene.cond();
  spec.no_text = &scene.no_text();
  spec.no_image = &scene.no_image();
  spec.noise = &noise;
  auto flow = bench.model().StartFlow(spec);
  Require(flow.status());
  return *std::move(flow);
}

std::string ConditionsOf(const Bench& bench, const Scene& scene,
                         const Case& c) {
  return bench.Conditions(absl::StrCat(
      c.branches, c.branches == 1 ? " branch, no guidance" : " branches",
      c.branches == 1 ? "" : ", guidance [0, 1]", ", one update, context of ",
      scene.cond().cache_length(), " tokens"));
}

double FloorOf(Bench& bench, const Scene& scene, const Case& c) {
  std::vector<double> contexts = scene.lengths();
  contexts.resize(c.branches);
  return bench.floors()
      .DenoiseStep(static_cast<double>(bench.latents(c.side)), contexts)
      .OverlappedSeconds(bench.rates());
}

// Seconds of a whole step.
double MeasureCase(Bench& bench, const Scene& scene, const Case& c) {
  const auto flow = Start(bench, scene, c);
  const std::vector<double> steps =
      bench.Times(0, kSteps, [&] { StepOne(bench.model(), flow.get()); });
  const double seconds =
      Median(std::vector<double>(steps.begin() + 2, steps.end()));
  const std::string what =
      absl::StrCat("denoise ", c.side, "^2, ", c.branches,
                   c.branches == 1 ? " branch" : " branches");
  bench.AddTime(absl::StrCat(what, ": a step"), ConditionsOf(bench, scene, c),
                seconds, FloorOf(bench, scene, c), kGoal);
  Measured first;
  first.name = absl::StrCat(what, ": first step, of the tenth");
  first.conditions = ConditionsOf(bench, scene, c);
  first.value = steps[0] / steps[9];
  first.unit = "ratio";
  bench.report().Add(first);
  return seconds;
}

void MeasureSlices(Bench& bench, const Scene& scene, const Case& c,
                   double whole) {
  constexpr absl::Duration kSlice = absl::Milliseconds(50);
  const auto flow = Start(bench, scene, c);
  model::Flow* const flows[] = {flow.get()};
  int slices = 0;
  double longest = 0.0;
  const auto sliced = [&] {
    auto step = bench.model().BeginFlowStep(flows);
    Require(step.status());
    for (slices = 0, longest = 0.0;; ++slices) {
      bool done = false;
      longest = std::max(longest, Seconds([&] {
                           const auto result = (*step)->RunSlice(kSlice);
                           Require(result.status());
                           done = *result;
                         }));
      if (done) return;
    }
  };
  Measured row;
  row.name = absl::StrCat("denoise ", c.side, "^2, ", c.branches,
                          " branches: in slices of 50 ms, of whole");
  row.value = bench.MedianSeconds(2, 5, sliced) / whole;
  row.conditions = absl::StrCat(ConditionsOf(bench, scene, c), "; ", slices + 1,
                                " slices, the longest ",
                                static_cast<int>(longest * 1e3), " ms");
  row.unit = "ratio";
  bench.report().Add(row);
}

void MeasureIdle(Bench& bench, const Scene& scene, const Case& c,
                 double whole) {
  constexpr int kObserved = 3;
  const auto flow = Start(bench, scene, c);
  StepOne(bench.model(), flow.get());
  const Activity activity = Observe(bench.device(), [&] {
    for (int i = 0; i < kObserved; ++i) StepOne(bench.model(), flow.get());
  });
  AddActivity(bench,
              absl::StrCat("denoise ", c.side, "^2, ", c.branches, " branches"),
              ConditionsOf(bench, scene, c), activity, kObserved, whole, 1.0);
}

}  // namespace

void MeasureFlow(Bench& bench) {
  const int side = bench.sizes().map_side;
  for (const int size : {side, side / 2}) {
    const Scene scene(bench, size);
    const Case guided = {size, 3};
    const double whole = MeasureCase(bench, scene, guided);
    if (size == side) {
      MeasureSlices(bench, scene, guided, whole);
      MeasureIdle(bench, scene, guided, whole);
    }
    MeasureCase(bench, scene, {size, 2});
    MeasureCase(bench, scene, {size, 1});
  }
}

}  // namespace cooper::bench
