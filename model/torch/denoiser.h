#ifndef COOPER_MODEL_TORCH_DENOISER_H_
#define COOPER_MODEL_TORCH_DENOISER_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

#include "model/torch/kv_cache.h"
#include "model/torch/paced_pass.h"
#include "model/torch/vision/autoencoder.h"
#include "model/torch/vision/latents.h"
#include "model/unified_model.h"

// Rectified flow over latents with up to three guidance branches (model-spec
// section 5).

namespace cooper::torch_model {

// Times at which velocities are computed, and the end of the last step (0):
// num_timesteps values, float32.
std::vector<float> FlowTimes(const model::FlowOptions& options);

// Whether guidance applies at time `t`.
bool Guided(const model::FlowOptions& options, float t);

// Velocities of the branches, [tokens, channels] float32; undefined where a
// branch was not run.
struct Branches {
  at::Tensor cond, no_text, no_image;
};
// The guided velocity.
at::Tensor Guide(const model::FlowOptions& options, const Branches& v);

// One trajectory.
class TorchDenoiser final : public model::Denoiser {
 public:
  // `x` is the noise to start from, [h * w, channels] float32.
  TorchDenoiser(const model::DenoiseSpec& spec, at::Tensor x, int64_t h,
                int64_t w);

  int steps_total() const override {
    return static_cast<int>(times_.size()) - 1;
  }
  int steps_done() const override { return step_; }
  int next_step_branches() const override {
    return static_cast<int>(NextBranches().size());
  }
  int latent_tokens() const override { return static_cast<int>(h_ * w_); }

  int64_t h() const { return h_; }
  int64_t w() const { return w_; }
  const at::Tensor& x() const { return x_; }
  float time() const { return times_[step_]; }
  // Contexts of the branches of the next step: cond first.
  std::vector<PagedContext*> NextBranches() const;

  // What an Euler step makes of a denoiser.
  struct Update {
    at::Tensor velocity, x;
  };
  // Guides the branches' velocities (in the order of NextBranches) and computes
  // the Euler step; the denoiser stays as it is.
  Update ComputeStep(const std::vector<at::Tensor>& velocities) const;
  // Makes the step. Allocates nothing.
  void Advance(Update update);

  // x, or x - t * v: what it would end as by the last velocity.
  at::Tensor Latents(model::LatentEstimate estimate) const;

  // The guided velocity of the step that was made last.
  const at::Tensor& last_velocity() const { return last_velocity_; }

 private:
  const model::FlowOptions options_;
  const std::vector<float> times_;
  const int64_t h_, w_;
  std::unique_ptr<model::Context> cond_, no_text_, no_image_;  // forks
  at::Tensor x_;
  at::Tensor last_velocity_;
  int step_ = 0;
};

// One step of several denoisers: all branches of all denoisers in one ragged
// pass.
class TorchDenoiseStep final : public model::DenoiseStep {
 public:
  // `delimiters`: embeddings of soi and eoi, [2, hidden].
  TorchDenoiseStep(const Transformer* transformer,
                   const LatentEmbedder* embedder, const Device& device,
                   const at::Tensor& delimiters,
                   absl::Span<model::Denoiser* const> denoisers);

  absl::StatusOr<bool> RunSlice(absl::Duration budget) override;
  void Drop(const model::Denoiser* denoiser) override;

 private:
  void Complete();

  const LatentEmbedder* embedder_;
  const Device device_;
  std::vector<TorchDenoiser*> denoisers_;
  std::vector<size_t> branch_denoiser_;  // per segment: index into denoisers_
  std::unique_ptr<PacedPass> pass_;
  absl::Status failure_;  // of Drop: the step cannot go on
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_DENOISER_H_
