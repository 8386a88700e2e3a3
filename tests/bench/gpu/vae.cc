// The autoencoder at the largest size and at half of it.

#include <ATen/ops/randn.h>

#include "absl/strings/str_cat.h"
#include "tests/bench/gpu/bench.h"

namespace cooper::bench {
namespace {

void MeasureHalf(Bench& bench, const std::string& name, const Work& work,
                 const std::function<void()>& call) {
  constexpr int kRounds = 5;
  constexpr double kGoal = 2.0;
  const double first = bench.MedianSeconds(0, 1, call);
  const double warm = bench.MedianSeconds(1, kRounds, call);
  bench.AddTime(name, "one image", warm, work.SerialSeconds(bench.rates()),
                kGoal);
  bench.AddValue(absl::StrCat(name, ": first call, of a warm one"),
                 "the process's first of this size, after the model's warm-up",
                 first / warm, "ratio");
  AddActivity(bench, name, "one image", Observe(bench.device(), call), 1, warm);
}

}  // namespace

void MeasureVae(Bench& bench) {
  const int most = bench.sizes().map_side;
  const torch_model::Autoencoder& autoencoder = bench.model().autoencoder();
  const auto options = at::TensorOptions(bench.device().device);
  for (const int side : {most, most / 2}) {
    const at::Tensor pixels = at::randn({3, side, side});  // on the host
    MeasureHalf(bench, absl::StrCat("VAE encode ", side, "^2"),
                bench.floors().VaeEncode(side),
                [&] { autoencoder.Moments(pixels); });
    const int64_t places = side / bench.shape().cooper.ae_downsample;
    const at::Tensor latent = at::randn(
        {bench.shape().cooper.ae_z_channels, places, places}, options);
    MeasureHalf(bench, absl::StrCat("VAE decode ", side, "^2"),
                bench.floors().VaeDecode(side),
                [&] { autoencoder.Decode(latent); });
  }
}

}  // namespace cooper::bench
