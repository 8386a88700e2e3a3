#include "model/torch/torch_model.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/torch/guard.h"
#include "model/torch/token_choice.h"
#include "model/torch/upload.h"
#include "model/torch/vae_decode_step.h"

namespace cooper::torch_model {
namespace {

PagedContext* Paged(model::Context* context) {
  return static_cast<PagedContext*>(context);
}

}  // namespace

TorchModel::~TorchModel() = default;

void TorchModel::set_recorder(Recorder* recorder) {
  transformer_->set_recorder(recorder);
  vision_->set_recorder(recorder);
}

model::KvUsage TorchModel::kv_usage() const {
  return {pool_->used_pages() * pool_->page_bytes(),
          pool_->pages() * pool_->page_bytes()};
}

std::unique_ptr<model::Context> TorchModel::NewContext() {
  return std::make_unique<PagedContext>(pool_.get());
}

absl::Status TorchModel::CheckSegment(const model::Segment& segment) const {
  if (const auto* text = std::get_if<model::TextSegment>(&segment)) {
    for (const model::TokenId id : text->ids) {
      if (id < 0 || id >= llm_.vocab_size) {
        return absl::InvalidArgumentError(
            absl::StrCat("token ", id, " is not in the vocabulary"));
      }
    }
    if (text->ids.empty()) {
      return absl::InvalidArgumentError("a text segment without tokens");
    }
    return absl::OkStatus();
  }
  const auto check = [](const image::RgbImage& image, int stride, int side) {
    const auto fits = [&](int pixels) {
      return pixels > 0 && pixels % stride == 0 && pixels / stride <= side;
    };
    if (fits(image.size.width) && fits(image.size.height)) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("an image of ", image.size.width, "x", image.size.height,
                     " px: sides must be multiples of ", stride,
                     " and at most ", stride * side));
  };
  if (const auto* latent = std::get_if<model::LatentImageSegment>(&segment)) {
    return check(*latent->image, info_.latent_stride, info_.max_latent_side);
  }
  return check(*std::get<model::VisionImageSegment>(segment).image,
               info_.vit_patch, cooper_.vit_max_num_patch_per_side);
}

// A context whose room is not to be had, or of which an item is wrong, loses
// all its items.
void TorchModel::ReserveFor(absl::Span<model::PrefillItem> items) {
  std::map<model::Context*, int64_t> tokens;
  std::map<model::Context*, absl::Status> statuses;
  for (const model::PrefillItem& item : items) {
    absl::Status& status = statuses[item.context];
    status.Update(CheckSegment(*item.segment));
    if (status.ok()) {
      tokens[item.context] += model::SegmentRows(info_, *item.segment);
    }
  }
  for (auto& [context, status] : statuses) {
    if (status.ok()) status = Paged(context)->Reserve(tokens[context]);
  }
  for (model::PrefillItem& item : items) item.status = statuses[item.context];
}

absl::StatusOr<std::unique_ptr<model::PrefillStep>> TorchModel::BeginPrefill(
    absl::Span<model::PrefillItem> items) {
  std::unique_ptr<model::PrefillStep> step;
  COOPER_RETURN_IF_ERROR(Guarded(device_, [&] {
    ReserveFor(items);
    step = std::make_unique<TorchPrefillStep>(
        PrefillNetwork{transformer_.get(), vision_.get(), autoencoder_.get(),
                       latents_.get(), &device_, &delimiters_, &vision_pacer_,
                       &encoder_pacer_},
        items);
    return absl::OkStatus();
  }));
  return step;
}

absl::Status TorchModel::Decode(absl::Span<model::DecodeItem> items) {
  return Guarded(device_, [&] {
    RunDecode(items);
    return absl::OkStatus();
  });
}

void TorchModel::RunDecode(absl::Span<model::DecodeItem> items) {
  PrefillBatch batch;
  std::vector<model::DecodeItem*> served;
  for (model::DecodeItem& item : items) {
    item.status = CheckSegment(model::TextSegment{{item.token}});
    if (item.status.ok()) item.status = Paged(item.context)->Reserve(1);
    if (!item.status.ok()) continue;
    EmbeddedSegment segment;
    segment.text = {item.token};
    batch.Add(Paged(item.context), segment);
    served.push_back(&item);
  }
  if (served.empty()) return;
  Pass pass(transformer_.get(), batch.TakeInput(/*need_output=*/true));
  pass.RunAll();
  const at::Tensor logits = transformer_->Logits(pass.Finish().und);
  // Contexts grow once nothing can fail any more: here a fault of the device
  // shows, at the latest.
  const TokenChoice choice(device_, logits.narrow(1, 0, vocabulary_), served);
  batch.Commit();
  choice.Choose();
}

absl::StatusOr<std::unique_ptr<model::Denoiser>> TorchModel::StartDenoise(
    const model::DenoiseSpec& spec) {
  COOPER_RETURN_IF_ERROR(spec.options.Validate());
  const int stride = info_.latent_stride;
  const int64_t h = spec.size.height / stride;
  const int64_t w = spec.size.width / stride;
  if (h < 1 || w < 1 || spec.size.height % stride != 0 ||
      spec.size.width % stride != 0 || h > info_.max_latent_side ||
      w > info_.max_latent_side) {
    return absl::InvalidArgumentError(
        absl::StrCat("a map of ", spec.size.width, "x", spec.size.height,
                     " px: sides must be multiples of ", stride,
                     " and at most ", stride * info_.max_latent_side));
  }
  std::unique_ptr<model::Denoiser> denoiser;
  COOPER_RETURN_IF_ERROR(Guarded(device_, [&] {
    const at::Tensor x = DrawNormals(spec.noise, {h * w, latents_->channels()});
    denoiser = std::make_unique<TorchDenoiser>(spec, Upload(x, device_), h, w);
    return absl::OkStatus();
  }));
  return denoiser;
}

absl::StatusOr<std::unique_ptr<model::DenoiseStep>>
TorchModel::BeginDenoiseStep(absl::Span<model::Denoiser* const> denoisers) {
  std::unique_ptr<model::DenoiseStep> step;
  COOPER_RETURN_IF_ERROR(Guarded(device_, [&] {
    step = std::make_unique<TorchDenoiseStep>(
        transformer_.get(), latents_.get(), device_, delimiters_, denoisers);
    return absl::OkStatus();
  }));
  return step;
}

absl::StatusOr<std::unique_ptr<model::Step>> TorchModel::BeginVaeDecode(
    absl::Span<model::VaeDecodeItem> items) {
  return std::make_unique<TorchVaeDecodeStep>(autoencoder_.get(),
                                              &decoder_pacer_, device_, items);
}

}  // namespace cooper::torch_model
