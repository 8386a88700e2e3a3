// Contexts of a request about an image, and the vision encoder alone.

#include <ATen/core/Tensor.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/bench/gpu/bench.h"
#include "tests/bench/gpu/scene.h"

namespace cooper::bench {

void MeasurePrefill(Bench& bench) {
  constexpr int kRounds = 5;
  const Sizes& sizes = bench.sizes();
  const int side = sizes.map_side;
  const auto prefill = [&] {
    const auto context = bench.model().NewContext();
    Prefill(bench, context.get(), side, sizes.vit_side, sizes.text);
  };
  const double whole = bench.MedianSeconds(1, kRounds, prefill);
  const std::string name = absl::StrCat(
      "prefill, image for the VAE ", bench.latents(side) + 2, ", for the ViT ",
      bench.patches(sizes.vit_side) + 2, ", text ", sizes.text);
  const std::string conditions = bench.Conditions("both encoders included");
  bench.AddTime(name, conditions, whole,
                PrefillFloor(bench, side, sizes.vit_side, sizes.text), 1.3);
  AddActivity(bench, name, conditions, Observe(bench.device(), prefill), 1,
              whole);

  const auto before = bench.model().NewContext();
  Prefill(bench, before.get(), side, sizes.vit_side, 0);
  const double text = bench.MedianSeconds(1, kRounds, [&] {
    const auto context = before->Fork();
    Prefill(bench, context.get(), 0, 0, sizes.text);
  });
  const auto length = static_cast<double>(before->cache_length());
  bench.AddTime(absl::StrCat("prefill, text ", sizes.text, " after the image"),
                bench.Conditions(
                    absl::StrCat("context of ", length, " tokens before it")),
                text,
                bench.floors()
                    .Prefill({{1.0 * sizes.text, length + sizes.text / 2.0}})
                    .OverlappedSeconds(bench.rates()));

  const auto image = NoiseImage(sizes.vit_side);
  const double vision = bench.MedianSeconds(2, kRounds, [&] {
    bench.model().vision_encoder().Encode({image.get()});
  });
  const auto patches = static_cast<double>(bench.patches(sizes.vit_side));
  bench.AddTime(
      absl::StrCat("vision encoder, ", patches, " patches"), "", vision,
      bench.floors().VisionEncode(patches).OverlappedSeconds(bench.rates()));
}

}  // namespace cooper::bench
