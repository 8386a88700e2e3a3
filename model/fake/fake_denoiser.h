#ifndef COOPER_MODEL_FAKE_FAKE_DENOISER_H_
#define COOPER_MODEL_FAKE_FAKE_DENOISER_H_

#include <memory>
#include <string>

#include "model/fake/fake_context.h"
#include "model/unified_model.h"

namespace cooper::fake {

// A picture that goes from noise to coloured bands. Which bands, depends on
// the noise and on what the three contexts hold; nothing else.
class FakeDenoiser final : public model::Denoiser {
 public:
  FakeDenoiser(std::shared_ptr<FakePool> pool, const model::DenoiseSpec& spec,
               int latent_stride);
  ~FakeDenoiser() override;

  int steps_total() const override { return options_.num_timesteps - 1; }
  int steps_done() const override { return steps_done_; }
  int next_step_branches() const override;
  int latent_tokens() const override { return latent_tokens_; }

  void Advance() { ++steps_done_; }
  image::FloatRgbImage Picture(model::LatentEstimate estimate) const;
  // The ids that `cond` held.
  std::vector<model::TokenId> Ids() const;

 private:
  double Time(int step) const;

  std::shared_ptr<FakePool> pool_;
  image::Size size_;
  model::FlowOptions options_;
  int latent_tokens_;
  // Forks: what a denoiser needs stays in the pool until it ends.
  std::unique_ptr<model::Context> cond_, no_text_, no_image_;
  uint64_t noise_hash_ = 0;
  uint64_t content_hash_ = 0;
  int steps_done_ = 0;
};

}  // namespace cooper::fake

#endif  // COOPER_MODEL_FAKE_FAKE_DENOISER_H_
