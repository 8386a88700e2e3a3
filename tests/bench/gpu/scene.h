#ifndef COOPER_TESTS_BENCH_GPU_SCENE_H_
#define COOPER_TESTS_BENCH_GPU_SCENE_H_

#include <memory>
#include <vector>

#include "tests/bench/gpu/bench.h"

namespace cooper::bench {

// The contexts of a request, as the engine would have made them: the image for
// the VAE and for the vision encoder, then text.
class Scene {
 public:
  // `side` px of the image for the VAE; 0: a request without an image.
  Scene(Bench& bench, int side);

  const model::Context& cond() const { return *cond_; }
  const model::Context& no_text() const { return *no_text_; }
  const model::Context& no_image() const { return *no_image_; }
  bool has_image() const { return no_text_->cache_length() > 0; }
  // Lengths of the three.
  std::vector<double> lengths() const;

 private:
  std::unique_ptr<model::Context> cond_, no_text_, no_image_;
};

// An image of noise, so that nothing is zero or constant.
std::shared_ptr<const image::RgbImage> NoiseImage(int side);
// Appends an image for the VAE and the vision encoder and/or a text to
// `context`, in one go; 0: without it.
void Prefill(Bench& bench, model::Context* context, int vae_side, int vit_side,
             int text);
// Seconds that such a prefill of an empty context cannot undercut, with its
// encoders.
double PrefillFloor(const Bench& bench, int vae_side, int vit_side, int text);

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_GPU_SCENE_H_
