#include "tests/bench/gpu/request.h"

#include <ATen/ops/randn.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/torch/denoiser.h"
#include "tests/bench/gpu/scene.h"

namespace cooper::bench {
namespace {

struct Kind {
  const char* name;
  bool image;
  int timesteps;
  double interval_low;
  std::optional<double> goal;  // of the floor
};

int GuidedUpdates(const Kind& kind) {
  model::FlowOptions options;
  options.num_timesteps = kind.timesteps;
  options.cfg_interval_low = kind.interval_low;
  const std::vector<float> times = torch_model::FlowTimes(options);
  int guided = 0;
  for (int i = 0; i + 1 < kind.timesteps; ++i) {
    guided += torch_model::Guided(options, times[i]) ? 1 : 0;
  }
  return guided;
}

}  // namespace

void AddRequests(Bench& bench, int side, const RequestSteps& steps) {
  const Sizes& sizes = bench.sizes();
  const auto prefill = [&](bool image) {
    const int vae = image ? side : 0;
    const int vit = image ? sizes.vit_side : 0;
    StepSeconds seconds;
    seconds.measured = bench.MedianSeconds(1, 3, [&] {
      const auto context = bench.model().NewContext();
      Prefill(bench, context.get(), vae, vit, sizes.text);
    });
    seconds.floor = PrefillFloor(bench, vae, vit, sizes.text);
    return seconds;
  };
  const StepSeconds with_image = prefill(true);
  const StepSeconds with_text = prefill(false);
  const at::Tensor latent =
      at::randn({bench.shape().cooper.ae_z_channels,
                 side / bench.shape().cooper.ae_downsample,
                 side / bench.shape().cooper.ae_downsample});
  const StepSeconds decode = {
      bench.MedianSeconds(1, 3,
                          [&] { bench.model().autoencoder().Decode(latent); }),
      bench.floors().VaeDecode(side).SerialSeconds(bench.rates())};

  const Kind kinds[] = {
      {"image to image", true, 50, 0.0, 1.2},
      {"image to image", true, 50, 0.4, std::nullopt},
      {"text to image", false, 50, 0.4, std::nullopt},
      {"image to image", true, 20, 0.4, std::nullopt},
      {"text to image", false, 20, 0.4, std::nullopt},
  };
  for (const Kind& kind : kinds) {
    const int updates = kind.timesteps - 1;
    const int guided = GuidedUpdates(kind);
    const StepSeconds& in = kind.image ? steps.image_guided : steps.text_guided;
    const StepSeconds& out = kind.image ? steps.image_plain : steps.text_plain;
    const StepSeconds& begin = kind.image ? with_image : with_text;
    const auto sum = [&](double StepSeconds::* of) {
      return begin.*of + guided * in.*of + (updates - guided) * out.*of +
             decode.*of;
    };
    Measured row;
    row.name = absl::StrCat("whole request, ", kind.name, " ", side, "^2, ",
                            updates, " updates, ", guided, " guided");
    row.conditions = bench.Conditions(absl::StrCat(
        kind.image ? 3 : 2, " branches where guided, guidance [",
        kind.interval_low,
        ", 1]; prefill, updates and decoding put together from their "
        "measured times"));
    row.value = sum(&StepSeconds::measured);
    row.unit = "s";
    row.floor = sum(&StepSeconds::floor);
    row.goal = kind.goal;
    bench.report().Add(row);
  }
}

}  // namespace cooper::bench
