#include "model/torch/denoiser.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/norm.h>

#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "model/torch/guard.h"

namespace cooper::torch_model {
std::vector<float> FlowTimes(const model::FlowOptions& options) {
  // The same float32 operations as the reference's.
  const at::Tensor t = at::linspace(1.0, 0.0, options.num_timesteps,
                                    at::TensorOptions(at::kFloat));
  const at::Tensor shifted =
      options.timestep_shift * t / (1.0 + (options.timestep_shift - 1.0) * t);
  const float* data = shifted.const_data_ptr<float>();
  return std::vector<float>(data, data + options.num_timesteps);
}

bool Guided(const model::FlowOptions& options, float t) {
  return options.cfg_text_scale > 1.0 &&
         t > static_cast<float>(options.cfg_interval_low) &&
         t <= static_cast<float>(options.cfg_interval_high);
}

at::Tensor Guide(const model::FlowOptions& options, const Branches& v) {
  if (!v.no_text.defined()) return v.cond;
  const bool by_channel = options.cfg_renorm_type != model::Renorm::kGlobal;
  const auto renormalise = [&](const at::Tensor& u) {
    const auto length = [&](const at::Tensor& x) {
      return by_channel ? at::norm(x, 2, {-1}, /*keepdim=*/true) : at::norm(x);
    };
    return u * (length(v.cond) / (length(u) + 1e-8))
                   .clamp(options.cfg_renorm_min, 1.0);
  };
  at::Tensor u = v.no_text + options.cfg_text_scale * (v.cond - v.no_text);
  const bool text_only = options.cfg_renorm_type == model::Renorm::kTextChannel;
  if (text_only) u = renormalise(u);
  if (v.no_image.defined()) {
    u = v.no_image + options.cfg_img_scale * (u - v.no_image);
  }
  return text_only ? u : renormalise(u);
}

TorchDenoiser::TorchDenoiser(const model::DenoiseSpec& spec, at::Tensor x,
                             int64_t h, int64_t w)
    : options_(spec.options),
      times_(FlowTimes(spec.options)),
      h_(h),
      w_(w),
      cond_(spec.cond->Fork()),
      no_text_(spec.no_text->Fork()),
      no_image_(spec.no_image->Fork()),
      x_(std::move(x)) {}

std::vector<PagedContext*> TorchDenoiser::NextBranches() const {
  const auto paged = [](const std::unique_ptr<model::Context>& context) {
    return static_cast<PagedContext*>(context.get());
  };
  std::vector<PagedContext*> branches = {paged(cond_)};
  if (step_ < steps_total() && Guided(options_, times_[step_])) {
    branches.push_back(paged(no_text_));
    if (options_.cfg_img_scale > 1.0) branches.push_back(paged(no_image_));
  }
  return branches;
}

TorchDenoiser::Update TorchDenoiser::ComputeStep(
    const std::vector<at::Tensor>& velocities) const {
  COOPER_CHECK(step_ < steps_total());
  Branches branches;
  branches.cond = velocities[0];
  if (velocities.size() > 1) branches.no_text = velocities[1];
  if (velocities.size() > 2) branches.no_image = velocities[2];
  Update update;
  update.velocity = Guide(options_, branches);
  const float dt = times_[step_] - times_[step_ + 1];
  update.x = x_ - update.velocity * static_cast<double>(dt);
  return update;
}

void TorchDenoiser::Advance(Update update) {
  last_velocity_ = std::move(update.velocity);
  x_ = std::move(update.x);
  ++step_;
}

at::Tensor TorchDenoiser::Latents(model::LatentEstimate estimate) const {
  if (estimate == model::LatentEstimate::kCurrent ||
      !last_velocity_.defined()) {
    return x_;
  }
  return x_ - last_velocity_ * static_cast<double>(times_[step_]);
}

TorchDenoiseStep::TorchDenoiseStep(const Transformer* transformer,
                                   const LatentEmbedder* embedder,
                                   const Device& device,
                                   const at::Tensor& delimiters,
                                   absl::Span<model::Denoiser* const> denoisers)
    : embedder_(embedder), device_(device) {
  PassInput input;
  input.need_und = false;
  std::vector<at::Tensor> und;
  std::vector<at::Tensor> gen;
  for (model::Denoiser* const denoiser : denoisers) {
    auto* const own = static_cast<TorchDenoiser*>(denoiser);
    const at::Tensor embedded =
        embedder->Embed(own->x(), own->time(), own->h(), own->w());
    for (PagedContext* const context : own->NextBranches()) {
      Segment segment;
      segment.context = context;
      segment.kv_before = context->cache_length();
      segment.und_begin = static_cast<int64_t>(input.und_positions.size());
      segment.und_count = 2;
      segment.gen_begin = static_cast<int64_t>(input.gen_positions.size());
      segment.gen_count = embedded.size(0);
      input.segments.push_back(segment);
      // All rows of a branch stand at its context's next position.
      input.und_positions.resize(segment.und_begin + segment.und_count,
                                 context->next_position());
      input.gen_positions.resize(segment.gen_begin + segment.gen_count,
                                 context->next_position());
      und.push_back(delimiters);
      gen.push_back(embedded);
      branch_denoiser_.push_back(denoisers_.size());
    }
    denoisers_.push_back(own);
  }
  input.hidden.und = at::cat(und);
  input.hidden.gen = at::cat(gen);
  pass_ = std::make_unique<PacedPass>(transformer, device, std::move(input));
}

absl::StatusOr<bool> TorchDenoiseStep::RunSlice(absl::Duration budget) {
  if (denoisers_.empty()) return true;
  COOPER_RETURN_IF_ERROR(failure_);
  SliceBudget slice(budget);
  absl::Status status = Guarded(device_, [&]() -> absl::Status {
    COOPER_RETURN_IF_ERROR(pass_->Run(&slice));
    if (pass_->done()) Complete();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return pass_->done();
}

// All denoisers advance, or none.
void TorchDenoiseStep::Complete() {
  const at::Tensor velocity = embedder_->Velocity(pass_->pass().Finish().gen);
  const std::vector<Segment>& segments = pass_->pass().segments();
  // All denoisers advance or, where memory runs out, none.
  std::vector<std::pair<TorchDenoiser*, TorchDenoiser::Update>> updates;
  for (size_t i = 0; i < segments.size();) {
    TorchDenoiser* const denoiser = denoisers_[branch_denoiser_[i]];
    std::vector<at::Tensor> own;
    for (const size_t index = branch_denoiser_[i];
         i < segments.size() && branch_denoiser_[i] == index; ++i) {
      own.push_back(
          velocity.narrow(0, segments[i].gen_begin, segments[i].gen_count));
    }
    updates.emplace_back(denoiser, denoiser->ComputeStep(own));
  }
  for (auto& [denoiser, update] : updates) denoiser->Advance(std::move(update));
}

void TorchDenoiseStep::Drop(const model::Denoiser* denoiser) {
  std::vector<bool> drop(branch_denoiser_.size());
  std::vector<size_t> kept;
  bool found = false;
  for (size_t i = 0; i < branch_denoiser_.size(); ++i) {
    drop[i] = denoisers_[branch_denoiser_[i]] == denoiser;
    found = found || drop[i];
    if (!drop[i]) kept.push_back(branch_denoiser_[i]);
  }
  if (!found) return;
  branch_denoiser_ = std::move(kept);
  if (branch_denoiser_.empty()) {
    denoisers_.clear();
    return;
  }
  if (!failure_.ok()) return;
  // A pass of fewer rows from here on; indices into denoisers_ stay as they
  // are.
  failure_ = Guarded(device_, [&] {
    pass_->pass().Drop(drop);
    return absl::OkStatus();
  });
}

}  // namespace cooper::torch_model
