#include "model/unified_model.h"

#include "base/check.h"
#include "base/status_macros.h"

namespace cooper::model {
namespace {

absl::Status RunWhole(Step& step) {
  COOPER_ASSIGN_OR_RETURN(const bool complete,
                          step.RunSlice(absl::InfiniteDuration()));
  COOPER_CHECK(complete);
  return absl::OkStatus();
}

int64_t Tiles(image::Size size, int side) {
  return int64_t{size.width / side} * (size.height / side);
}

}  // namespace

int64_t LatentRows(const ModelInfo& info, image::Size size) {
  return Tiles(size, info.latent_stride) + kDelimiters;
}

int64_t VisionRows(const ModelInfo& info, image::Size size) {
  return Tiles(size, info.vit_patch) + kDelimiters;
}

int64_t SegmentRows(const ModelInfo& info, const Segment& segment) {
  if (const auto* text = std::get_if<TextSegment>(&segment)) {
    return static_cast<int64_t>(text->ids.size());
  }
  if (const auto* latent = std::get_if<LatentImageSegment>(&segment)) {
    return LatentRows(info, latent->image->size);
  }
  return VisionRows(info, std::get<VisionImageSegment>(segment).image->size);
}

absl::Status UnifiedModel::Prefill(absl::Span<PrefillItem> items) {
  COOPER_ASSIGN_OR_RETURN(const auto step, BeginPrefill(items));
  return RunWhole(*step);
}

absl::Status UnifiedModel::VaeDecode(absl::Span<VaeDecodeItem> items) {
  COOPER_ASSIGN_OR_RETURN(const auto step, BeginVaeDecode(items));
  return RunWhole(*step);
}

}  // namespace cooper::model
