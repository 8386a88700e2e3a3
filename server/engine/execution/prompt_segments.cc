#include "server/engine/execution/prompt_segments.h"

#include <algorithm>

#include "server/engine/memory/prefix_key.h"

namespace cooper::engine {

using model::TokenId;

std::vector<TokenId> PromptSegments::TextIds(const TextPart& part) const {
  const model::SpecialTokens& special = codec_->special();
  std::vector<TokenId> ids = {special.bos};
  const auto known =
      std::find_if(spec_->encoded.begin(), spec_->encoded.end(),
                   [&](const auto& encoded) { return encoded->part == part; });
  const std::vector<TokenId> encoded =
      known != spec_->encoded.end()
          ? (*known)->ids
          : codec_->Encode(part.text, part.origin == TextOrigin::kUser
                                          ? spec_->user_text
                                          : model::ControlText::kParse);
  ids.insert(ids.end(), encoded.begin(), encoded.end());
  ids.push_back(special.eos);
  return ids;
}

model::Segment PromptSegments::Make(const PromptSegment& part) {
  if (const auto* text = std::get_if<TextPart>(&part)) {
    return model::TextSegment{TextIds(*text)};
  }
  if (const auto* latent = std::get_if<LatentPart>(&part)) {
    const PreparedImage& image = spec_->images.at(latent->image);
    noises_.push_back(
        image.pixels.has_value()
            ? std::make_unique<model::ReplayedNoise>(
                  std::make_unique<model::SeededNoise>(
                      ImageSeed(*image.pixels)))
            : std::make_unique<model::ReplayedNoise>(spec_->noise.get()));
    return model::LatentImageSegment{image.latents, noises_.back().get()};
  }
  const auto& vision = std::get<VisionPart>(part);
  return model::VisionImageSegment{vision.source == VisionPart::Source::kInput
                                       ? spec_->images.at(vision.index).vision
                                       : maps_.at(vision.index)};
}

// Model output is never cached.
std::optional<base::Digest> PromptSegments::KeyAfter(
    const base::Digest& before, const PromptSegment& part,
    const model::Segment& segment) const {
  if (const auto* text = std::get_if<TextPart>(&part)) {
    if (text->origin == TextOrigin::kModel) return std::nullopt;
    return TextPrefix(before, std::get<model::TextSegment>(segment).ids);
  }
  if (const auto* latents = std::get_if<LatentPart>(&part)) {
    const PreparedImage& image = spec_->images.at(latents->image);
    if (!image.pixels.has_value()) return std::nullopt;
    return LatentPrefix(before, *image.pixels, image.latents->size);
  }
  const auto& vision = std::get<VisionPart>(part);
  if (vision.source != VisionPart::Source::kInput) return std::nullopt;
  const PreparedImage& image = spec_->images.at(vision.index);
  if (!image.pixels.has_value()) return std::nullopt;
  return VisionPrefix(before, *image.pixels, image.vision->size);
}

}  // namespace cooper::engine
