#include "model/torch/prefill_step.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <variant>

#include "base/status_macros.h"
#include "model/torch/guard.h"
#include "model/torch/vision/pixels.h"

namespace cooper::torch_model {
namespace {

const image::RgbImage* VisionImageOf(const model::PrefillItem& item) {
  const auto* vision = std::get_if<model::VisionImageSegment>(item.segment);
  return vision == nullptr ? nullptr : vision->image.get();
}

const model::LatentImageSegment* LatentsOf(const model::PrefillItem& item) {
  return std::get_if<model::LatentImageSegment>(item.segment);
}

}  // namespace

TorchPrefillStep::TorchPrefillStep(const PrefillNetwork& network,
                                   absl::Span<model::PrefillItem> items)
    : network_(network) {
  for (model::PrefillItem& item : items) {
    if (item.status.ok()) entries_.push_back({&item, {}});
  }
}

absl::StatusOr<bool> TorchPrefillStep::RunSlice(absl::Duration budget) {
  COOPER_RETURN_IF_ERROR(failure_);
  SliceBudget slice(budget);
  bool complete = false;
  COOPER_RETURN_IF_ERROR(Guarded(*network_.device, [&]() -> absl::Status {
    COOPER_ASSIGN_OR_RETURN(complete, RunStages(&slice));
    return absl::OkStatus();
  }));
  return complete;
}

absl::StatusOr<bool> TorchPrefillStep::RunStages(SliceBudget* slice) {
  if (entries_.empty()) return true;
  for (const auto stage :
       {&TorchPrefillStep::RunVision, &TorchPrefillStep::RunVaeDecode,
        &TorchPrefillStep::RunPass}) {
    COOPER_ASSIGN_OR_RETURN(const bool complete, (this->*stage)(slice));
    if (!complete) return false;
  }
  return true;
}

// Images that several items show are encoded once.
void TorchPrefillStep::StartVision() {
  std::vector<const image::RgbImage*> images;
  for (const Entry& entry : entries_) {
    const image::RgbImage* image = VisionImageOf(*entry.item);
    if (image == nullptr ||
        std::find(images.begin(), images.end(), image) != images.end()) {
      continue;
    }
    images.push_back(image);
  }
  if (!images.empty()) vision_ = network_.vision->Start(std::move(images));
}

absl::StatusOr<bool> TorchPrefillStep::RunVision(SliceBudget* slice) {
  if (!vision_started_) StartVision();
  vision_started_ = true;
  if (!vision_.has_value()) return true;
  return RunParts(&*vision_, network_.vision_pacer, *network_.device, slice);
}

// In the items' order, which is that of their draws.
absl::StatusOr<bool> TorchPrefillStep::RunVaeDecode(SliceBudget* slice) {
  const Autoencoder& autoencoder = *network_.autoencoder;
  while (true) {
    if (!encoding_.has_value()) {
      const auto next =
          std::find_if(entries_.begin(), entries_.end(), [](const Entry& e) {
            return LatentsOf(*e.item) != nullptr && !e.latents.defined();
          });
      if (next == entries_.end()) return true;
      encoding_ = {&*next, autoencoder.StartMoments(NormalisedPixels(
                               *LatentsOf(*next->item)->image))};
    }
    COOPER_ASSIGN_OR_RETURN(
        const bool encoded,
        RunParts(&encoding_->run, network_.autoencoder_pacer, *network_.device,
                 slice));
    if (!encoded) return false;
    Entry& entry = *encoding_->entry;
    const at::Tensor moments = encoding_->run.Take();
    const at::Tensor noise = DrawNormals(
        LatentsOf(*entry.item)->noise,
        {autoencoder.z_channels(), moments.size(1), moments.size(2)});
    entry.latents = autoencoder.Patchify(autoencoder.Sample(moments, noise));
    encoding_.reset();
  }
}

EmbeddedSegment TorchPrefillStep::Embedded(const Entry& entry) const {
  const at::Tensor& delimiters = *network_.delimiters;
  const model::PrefillItem& item = *entry.item;
  EmbeddedSegment embedded;
  if (const auto* text = std::get_if<model::TextSegment>(item.segment)) {
    embedded.text = text->ids;
  } else if (const model::LatentImageSegment* latents = LatentsOf(item)) {
    const int64_t stride = network_.autoencoder->token_stride();
    const image::Size size = latents->image->size;
    embedded.und = delimiters;
    embedded.gen = network_.latents->Embed(
        entry.latents, 0.0f, size.height / stride, size.width / stride);
  } else {
    embedded.und = at::cat({delimiters.narrow(0, 0, 1),
                            vision_->FeaturesOf(VisionImageOf(item)),
                            delimiters.narrow(0, 1, 1)});
  }
  return embedded;
}

void TorchPrefillStep::StartPass() {
  for (const Entry& entry : entries_) {
    batch_.Add(static_cast<PagedContext*>(entry.item->context),
               Embedded(entry));
  }
  vision_.reset();
  pass_ = std::make_unique<PacedPass>(network_.transformer, *network_.device,
                                      batch_.TakeInput(/*need_output=*/false));
}

absl::StatusOr<bool> TorchPrefillStep::RunPass(SliceBudget* slice) {
  if (pass_ == nullptr) StartPass();
  COOPER_RETURN_IF_ERROR(pass_->Run(slice));
  if (!pass_->done()) return false;
  pass_->pass().Finish();  // only a recorder needs its outputs
  batch_.Commit();
  return true;
}

void TorchPrefillStep::Drop(const model::Context* context) {
  std::vector<bool> drop;
  std::vector<const image::RgbImage*> images;
  for (const Entry& entry : entries_) {
    drop.push_back(entry.item->context == context);
    if (!drop.back()) continue;
    if (encoding_.has_value() && encoding_->entry == &entry) encoding_.reset();
    images.push_back(VisionImageOf(*entry.item));
  }
  if (images.empty()) return;
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.item->context == context;
  });
  if (entries_.empty() || !failure_.ok()) return;
  failure_ = Guarded(*network_.device, [&] {
    for (const image::RgbImage* image : images) DropImage(image);
    if (pass_ != nullptr) {
      pass_->pass().Drop(drop);
      batch_.Drop(static_cast<const PagedContext*>(context));
    }
    return absl::OkStatus();
  });
}

// Unless another item shows it too.
void TorchPrefillStep::DropImage(const image::RgbImage* image) {
  if (image == nullptr || !vision_.has_value()) return;
  for (const Entry& entry : entries_) {
    if (VisionImageOf(*entry.item) == image) return;
  }
  vision_->Drop(image);
  if (vision_->size() == 0) vision_.reset();
}

}  // namespace cooper::torch_model
