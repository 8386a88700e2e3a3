#include "tests/bench/gpu/scene.h"

#include <map>
#include <random>

#include "model/noise.h"
#include "tests/bench/require.h"

namespace cooper::bench {

std::shared_ptr<const image::RgbImage> NoiseImage(int side) {
  // Kept: drawing one takes longer than some of what is measured with it.
  static auto* const kept =
      new std::map<int, std::shared_ptr<const image::RgbImage>>;
  std::shared_ptr<const image::RgbImage>& known = (*kept)[side];
  if (known != nullptr) return known;
  auto image = std::make_shared<image::RgbImage>();
  image->size = {side, side};
  image->pixels.resize(size_t{3} * side * side);
  std::mt19937 random(side);
  for (uint8_t& value : image->pixels) value = static_cast<uint8_t>(random());
  known = image;
  return known;
}

void Prefill(Bench& bench, model::Context* context, int vae_side, int vit_side,
             int text) {
  model::SeededNoise noise(1);
  std::vector<model::Segment> segments;
  if (vae_side > 0) {
    segments.emplace_back(
        model::LatentImageSegment{NoiseImage(vae_side), &noise});
  }
  if (vit_side > 0) {
    segments.emplace_back(model::VisionImageSegment{NoiseImage(vit_side)});
  }
  if (text > 0) {
    model::TextSegment segment;
    for (int i = 0; i < text; ++i) segment.ids.push_back(i % 200);
    segments.emplace_back(segment);
  }
  std::vector<model::PrefillItem> items;
  items.reserve(segments.size());
  for (const model::Segment& segment : segments) {
    items.push_back({context, &segment, absl::OkStatus()});
  }
  Require(bench.model().Prefill(absl::MakeSpan(items)));
  for (const model::PrefillItem& item : items) Require(item.status);
}

double PrefillFloor(const Bench& bench, int vae_side, int vit_side, int text) {
  const Floors& floors = bench.floors();
  std::vector<AttendedRows> rows;
  double before = 0.0;
  double seconds = 0.0;
  const auto add = [&](double tokens) {
    before += tokens;
    rows.push_back({tokens, before});
  };
  // With the two delimiters of each image.
  if (vae_side > 0) {
    seconds += floors.VaeEncode(vae_side).SerialSeconds(bench.rates());
    add(static_cast<double>(bench.latents(vae_side) + 2));
  }
  if (vit_side > 0) {
    const auto patches = static_cast<double>(bench.patches(vit_side));
    seconds += floors.VisionEncode(patches).OverlappedSeconds(bench.rates());
    add(patches + 2);
  }
  // A token of text sees half of the text on average.
  rows.push_back({1.0 * text, before + text / 2.0});
  return seconds + floors.Prefill(rows).OverlappedSeconds(bench.rates());
}

Scene::Scene(Bench& bench, int side)
    : cond_(bench.model().NewContext()), no_image_(bench.model().NewContext()) {
  const Sizes& sizes = bench.sizes();
  if (side > 0) Prefill(bench, cond_.get(), side, sizes.vit_side, 0);
  no_text_ = cond_->Fork();
  Prefill(bench, cond_.get(), 0, 0, sizes.text);
  Prefill(bench, no_image_.get(), 0, 0, sizes.text);
}

std::vector<double> Scene::lengths() const {
  std::vector<double> lengths;
  for (const auto* context : {&cond_, &no_text_, &no_image_}) {
    lengths.push_back(static_cast<double>((*context)->cache_length()));
  }
  return lengths;
}

}  // namespace cooper::bench
