#include "model/fake/fake_steps.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "model/fake/fake_denoiser.h"

namespace cooper::fake {
namespace {

using model::TokenId;

constexpr int kLatentDownsample = 8;
constexpr int kLatentChannels = 16;

// What a slice takes of `left`: its budget, and something where that is none.
absl::Duration TakeSlice(absl::Duration budget, absl::Duration* left) {
  const absl::Duration slice =
      std::min(*left, std::max(budget, absl::Milliseconds(1)));
  *left -= slice;
  return slice;
}

// An image as ids, and how it counts in the content's hash.
struct ImageTokens {
  std::vector<TokenId> ids;
  uint64_t hash = 0;
};
ImageTokens TokensOf(const image::RgbImage& image, int side) {
  ImageTokens tokens;
  tokens.ids.push_back(FakeCodec::kSpecial.soi);
  tokens.ids.insert(
      tokens.ids.end(),
      static_cast<size_t>(image.size.width / side) * (image.size.height / side),
      FakeContext::kImageToken);
  tokens.ids.push_back(FakeCodec::kSpecial.eoi);
  for (const uint8_t byte : image.pixels) {
    tokens.hash = (tokens.hash ^ byte) * 0x100000001B3;
  }
  tokens.hash = MixHash(tokens.hash, side);
  return tokens;
}

}  // namespace

FakePrefillStep::FakePrefillStep(FakeModel* model,
                                 absl::Span<model::PrefillItem> items)
    : model_(model) {
  for (model::PrefillItem& item : items) entries_.push_back(EntryOf(&item));
}

FakePrefillStep::Entry FakePrefillStep::EntryOf(
    model::PrefillItem* item) const {
  const model::Segment& segment = *item->segment;
  if (const auto* text = std::get_if<model::TextSegment>(&segment)) {
    return {item, text->ids, static_cast<int64_t>(text->ids.size()), 0};
  }
  const model::ModelInfo& info = model_->info();
  if (const auto* latent = std::get_if<model::LatentImageSegment>(&segment)) {
    const image::Size size = latent->image->size;
    std::vector<float> noise(static_cast<size_t>(kLatentChannels) *
                             (size.width / kLatentDownsample) *
                             (size.height / kLatentDownsample));
    latent->noise->FillNormal(absl::MakeSpan(noise));
    ImageTokens tokens = TokensOf(*latent->image, info.latent_stride);
    for (const float value : noise) {
      tokens.hash = MixHash(tokens.hash, std::bit_cast<uint32_t>(value));
    }
    return {item, std::move(tokens.ids), 1, tokens.hash};
  }
  ImageTokens tokens = TokensOf(
      *std::get<model::VisionImageSegment>(segment).image, info.vit_patch);
  return {item, std::move(tokens.ids), 1, tokens.hash};
}

absl::StatusOr<bool> FakePrefillStep::RunSlice(absl::Duration budget) {
  FakeModel::Record record{FakeModel::Call::kPrefill,
                           static_cast<int>(entries_.size()), 0};
  for (const Entry& entry : entries_) {
    record.rows += static_cast<int64_t>(entry.ids.size());
  }
  COOPER_RETURN_IF_ERROR(model_->Enter(record));
  COOPER_RETURN_IF_ERROR(model_->MemoryFault(
      FakeModel::Call::kPrefill, entries_.size(), [&](size_t i) {
        const Entry& entry = entries_[i];
        auto ids = static_cast<FakeContext*>(entry.item->context)->Ids();
        ids.insert(ids.end(), entry.ids.begin(), entry.ids.end());
        return ids;
      }));
  if (!std::exchange(begun_, true)) {
    const FakeDelays& delays = model_->script_.delays;
    left_ = delays.append + delays.prefill_token * record.rows;
  }
  model_->Sleep(TakeSlice(budget, &left_));
  if (left_ > absl::ZeroDuration()) return false;
  for (const Entry& entry : entries_) entry.item->status = Append(entry);
  return true;
}

absl::Status FakePrefillStep::Append(const Entry& entry) {
  auto& context = static_cast<FakeContext&>(*entry.item->context);
  if (!model_->script_.faults.empty()) {
    for (const auto& ids : {context.Ids(), entry.ids}) {
      COOPER_RETURN_IF_ERROR(model_->ItemFault(FakeModel::Call::kPrefill, ids));
    }
  }
  const bool is_text =
      std::holds_alternative<model::TextSegment>(*entry.item->segment);
  if (!(is_text ? context.AppendText(entry.ids)
                : context.Append(entry.ids, entry.advance, entry.hash))) {
    return PoolFull();
  }
  model_->prefilled_tokens_ += static_cast<int64_t>(entry.ids.size());
  return absl::OkStatus();
}

void FakePrefillStep::Drop(const model::Context* context) {
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.item->context == context;
  });
}

absl::StatusOr<bool> FakeVaeDecodeStep::RunSlice(absl::Duration budget) {
  const auto count = static_cast<int64_t>(items_.size());
  FakeModel::Record record{FakeModel::Call::kVaeDecode, static_cast<int>(count),
                           0};
  for (const model::VaeDecodeItem& item : items_) {
    record.rows += item.denoiser->latent_tokens();
  }
  COOPER_RETURN_IF_ERROR(model_->Enter(record));
  COOPER_RETURN_IF_ERROR(model_->MemoryFault(
      FakeModel::Call::kVaeDecode, items_.size(), [&](size_t i) {
        return static_cast<const FakeDenoiser*>(items_[i].denoiser)->Ids();
      }));
  if (!std::exchange(begun_, true)) {
    left_ = model_->script_.delays.latents * count;
  }
  model_->Sleep(TakeSlice(budget, &left_));
  if (left_ > absl::ZeroDuration()) return false;
  for (model::VaeDecodeItem& item : items_) {
    const auto* denoiser = static_cast<const FakeDenoiser*>(item.denoiser);
    if (!model_->script_.faults.empty()) {
      item.status =
          model_->ItemFault(FakeModel::Call::kVaeDecode, denoiser->Ids());
      if (!item.status.ok()) continue;
    }
    item.image = denoiser->Picture(item.estimate);
  }
  return true;
}

absl::StatusOr<bool> FakeDenoiseStep::RunSlice(absl::Duration budget) {
  FakeModel::Record record{FakeModel::Call::kDenoiseSlice,
                           static_cast<int>(denoisers_.size()), 0};
  for (const model::Denoiser* denoiser : denoisers_) {
    record.rows +=
        int64_t{denoiser->latent_tokens()} * denoiser->next_step_branches();
  }
  COOPER_RETURN_IF_ERROR(model_->Enter(record));
  COOPER_RETURN_IF_ERROR(model_->MemoryFault(
      FakeModel::Call::kDenoiseSlice, denoisers_.size(), [&](size_t i) {
        return static_cast<FakeDenoiser*>(denoisers_[i])->Ids();
      }));
  const absl::Time end = model_->Now() + budget;
  do {
    model_->Sleep(model_->script_.delays.flow_layer);
    ++layer_;
  } while (layer_ < model_->script_.flow_layers && model_->Now() < end);
  if (layer_ < model_->script_.flow_layers) return false;
  for (model::Denoiser* denoiser : denoisers_)
    static_cast<FakeDenoiser*>(denoiser)->Advance();
  return true;
}

}  // namespace cooper::fake
