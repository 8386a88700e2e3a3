#include "model/fake/fake_denoiser.h"

#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

namespace cooper::fake {
namespace {

constexpr int kLatentChannels = 64;
constexpr int kBands = 6;
constexpr int kGrain = 8;  // px

float Fraction(uint64_t hash) {
  return static_cast<float>(hash >> 40) * 0x1p-24F;
}

uint64_t HashOf(const model::Context& context) {
  return static_cast<const FakeContext&>(context).content_hash();
}

}  // namespace

FakeDenoiser::FakeDenoiser(std::shared_ptr<FakePool> pool,
                           const model::DenoiseSpec& spec, int latent_stride)
    : pool_(std::move(pool)),
      size_(spec.size),
      options_(spec.options),
      latent_tokens_(spec.size.width / latent_stride *
                     (spec.size.height / latent_stride)),
      cond_(spec.cond->Fork()),
      no_text_(spec.no_text->Fork()),
      no_image_(spec.no_image->Fork()),
      content_hash_(MixHash(MixHash(HashOf(*cond_), HashOf(*no_text_)),
                            HashOf(*no_image_))) {
  std::vector<float> noise(static_cast<size_t>(latent_tokens_) *
                           kLatentChannels);
  spec.noise->FillNormal(absl::MakeSpan(noise));
  for (const float value : noise) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    noise_hash_ = MixHash(noise_hash_, bits);
  }
  ++pool_->denoisers;
}

FakeDenoiser::~FakeDenoiser() { --pool_->denoisers; }

double FakeDenoiser::Time(int step) const {
  const double t = 1.0 - static_cast<double>(step) / steps_total();
  const double shift = options_.timestep_shift;
  return shift * t / (1.0 + (shift - 1.0) * t);
}

int FakeDenoiser::next_step_branches() const {
  const double t = Time(steps_done_);
  if (t <= options_.cfg_interval_low || t > options_.cfg_interval_high ||
      options_.cfg_text_scale <= 1.0) {
    return 1;
  }
  return options_.cfg_img_scale > 1.0 ? 3 : 2;
}

image::FloatRgbImage FakeDenoiser::Picture(
    model::LatentEstimate estimate) const {
  auto noisy = static_cast<float>(Time(steps_done_));
  if (estimate == model::LatentEstimate::kPredictedFinal) noisy *= noisy;
  image::FloatRgbImage image;
  image.size = size_;
  image.pixels.resize(static_cast<size_t>(size_.width) * size_.height * 3);
  const uint64_t seed = MixHash(noise_hash_, content_hash_);
  size_t at = 0;
  for (int y = 0; y < size_.height; ++y) {
    const uint64_t band = MixHash(seed, y * kBands / size_.height);
    for (int x = 0; x < size_.width; ++x) {
      const uint64_t grain =
          MixHash(MixHash(noise_hash_, y / kGrain), x / kGrain);
      for (int channel = 0; channel < 3; ++channel) {
        const float colour = Fraction(MixHash(band, channel));
        const float noise = Fraction(MixHash(grain, channel));
        image.pixels[at++] = colour + (noise - colour) * noisy;
      }
    }
  }
  return image;
}

std::vector<model::TokenId> FakeDenoiser::Ids() const {
  return static_cast<const FakeContext&>(*cond_).Ids();
}

}  // namespace cooper::fake
