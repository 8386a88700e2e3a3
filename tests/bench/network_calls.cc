#include "tests/bench/network_calls.h"

#include <utility>

#include "absl/time/time.h"
#include "model/noise.h"
#include "tests/bench/require.h"

namespace cooper::bench {

std::unique_ptr<model::Context> ContextOf(model::UnifiedModel& model,
                                          int tokens) {
  std::unique_ptr<model::Context> context = model.NewContext();
  model::TextSegment text;
  for (int i = 0; i < tokens; ++i) text.ids.push_back(i % 200);
  const model::Segment segment = text;
  model::PrefillItem item{context.get(), &segment, absl::OkStatus()};
  Require(model.Prefill(absl::MakeSpan(&item, 1)));
  Require(item.status);
  return context;
}

void DecodeOne(model::UnifiedModel& model, model::Context* context) {
  model::DecodeItem item;
  item.context = context;
  item.token = 65;
  Require(model.Decode(absl::MakeSpan(&item, 1)));
  Require(item.status);
}

std::unique_ptr<model::Denoiser> StartMap(model::UnifiedModel& model,
                                          const model::Context& cond,
                                          const model::Context& no_image,
                                          int side, bool guided) {
  model::SeededNoise noise(1);
  model::DenoiseSpec spec;
  spec.size = {side, side};
  spec.options.num_timesteps = 1000;
  if (!guided) spec.options.cfg_text_scale = 1.0;
  spec.cond = &cond;
  spec.no_text = &cond;
  spec.no_image = &no_image;
  spec.noise = &noise;
  auto flow = model.StartDenoise(spec);
  Require(flow.status());
  return *std::move(flow);
}

void StepAll(model::UnifiedModel& model,
             absl::Span<model::Denoiser* const> denoisers) {
  auto step = model.BeginDenoiseStep(denoisers);
  Require(step.status());
  Require((*step)->RunSlice(absl::InfiniteDuration()).status());
}

void StepOne(model::UnifiedModel& model, model::Denoiser* flow) {
  StepAll(model, absl::MakeSpan(&flow, 1));
}

}  // namespace cooper::bench
