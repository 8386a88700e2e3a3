#include "model/torch/warm_up.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "base/status_macros.h"

namespace cooper::torch_model {
namespace {

constexpr int kDecodedTokens = 4;
constexpr int64_t kBranches = 3;

std::shared_ptr<const image::RgbImage> Grey(image::Size size) {
  auto image = std::make_shared<image::RgbImage>();
  image->size = size;
  image->pixels.assign(size_t{3} * size.width * size.height, 128);
  return image;
}

image::Size Square(int side) { return {side, side}; }

int64_t Tiles(image::Size size, int side) {
  return int64_t{size.width / side} * (size.height / side);
}

// A context and what is being appended to it.
class Prefill {
 public:
  Prefill(model::UnifiedModel* model, std::vector<model::Segment> segments)
      : context_(model->NewContext()), segments_(std::move(segments)) {
    for (const model::Segment& segment : segments_) {
      items_.push_back({context_.get(), &segment, absl::OkStatus()});
    }
  }

  absl::Status Begin(model::UnifiedModel* model) {
    COOPER_ASSIGN_OR_RETURN(step_, model->BeginPrefill(absl::MakeSpan(items_)));
    return absl::OkStatus();
  }
  model::Step* step() const { return step_.get(); }
  absl::Status End() {
    step_.reset();
    for (const model::PrefillItem& item : items_) {
      COOPER_RETURN_IF_ERROR(item.status);
    }
    return absl::OkStatus();
  }
  model::Context* context() const { return context_.get(); }

 private:
  const std::unique_ptr<model::Context> context_;
  const std::vector<model::Segment> segments_;
  std::vector<model::PrefillItem> items_;
  std::unique_ptr<model::PrefillStep> step_;
};

// A slice of each in turns, until all are complete.
absl::Status RunInTurns(std::vector<model::Step*> steps) {
  while (!steps.empty()) {
    for (auto step = steps.begin(); step != steps.end();) {
      COOPER_ASSIGN_OR_RETURN(const bool complete,
                              (*step)->RunSlice(absl::ZeroDuration()));
      step = complete ? steps.erase(step) : step + 1;
    }
  }
  return absl::OkStatus();
}

class WarmUp {
 public:
  WarmUp(model::UnifiedModel* model, const WarmUpShapes& shapes)
      : model_(model),
        shapes_(shapes),
        special_(model->text_codec().special()),
        prompt_(model, Prompt()),
        empty_(model->NewContext()) {}

  absl::Status Run() {
    COOPER_RETURN_IF_ERROR(prompt_.Begin(model_));
    COOPER_RETURN_IF_ERROR(
        prompt_.step()->RunSlice(absl::InfiniteDuration()).status());
    COOPER_RETURN_IF_ERROR(prompt_.End());
    for (const image::Size size : shapes_.maps) {
      COOPER_RETURN_IF_ERROR(StartMap(size));
    }
    COOPER_ASSIGN_OR_RETURN(const auto step, model_->BeginDenoiseStep(Maps()));
    COOPER_RETURN_IF_ERROR(step->RunSlice(absl::InfiniteDuration()).status());
    model::VaeDecodeItem latents;
    latents.denoiser = maps_.front().get();
    COOPER_RETURN_IF_ERROR(model_->VaeDecode(absl::MakeSpan(&latents, 1)));
    for (int i = 0; i < kDecodedTokens; ++i) COOPER_RETURN_IF_ERROR(Decode());
    return shapes_.together ? RunTogether() : absl::OkStatus();
  }

 private:
  std::vector<model::Segment> Images() {
    return {model::LatentImageSegment{Grey(shapes_.latents), &noise_},
            model::VisionImageSegment{Grey(shapes_.vision)}};
  }
  model::TextSegment Text() const {
    return {std::vector<model::TokenId>(shapes_.text_rows, special_.bos)};
  }
  std::vector<model::Segment> Prompt() {
    std::vector<model::Segment> segments = {
        model::TextSegment{{special_.bos, special_.eos}}};
    for (model::Segment& image : Images()) segments.push_back(std::move(image));
    if (!shapes_.together) segments.emplace_back(Text());
    return segments;
  }

  absl::Status StartMap(image::Size size) {
    model::DenoiseSpec spec;
    spec.size = size;
    spec.options.num_timesteps = shapes_.together ? 4 : 2;
    spec.cond = prompt_.context();
    spec.no_text = prompt_.context();
    spec.no_image = empty_.get();
    spec.noise = &noise_;
    COOPER_ASSIGN_OR_RETURN(auto map, model_->StartDenoise(spec));
    maps_.push_back(std::move(map));
    return absl::OkStatus();
  }
  std::vector<model::Denoiser*> Maps() const {
    std::vector<model::Denoiser*> maps;
    maps.reserve(maps_.size());
    for (const auto& map : maps_) maps.push_back(map.get());
    return maps;
  }

  absl::Status Decode() {
    model::DecodeItem item;
    item.context = prompt_.context();
    item.token = special_.bos;
    COOPER_RETURN_IF_ERROR(model_->Decode(absl::MakeSpan(&item, 1)));
    return item.status;
  }

  absl::Status RunTogether() {
    COOPER_RETURN_IF_ERROR(StartMap(shapes_.maps.front()));
    const std::unique_ptr<model::Denoiser> shown = std::move(maps_.back());
    maps_.pop_back();
    std::vector<model::Segment> text;
    text.emplace_back(Text());
    for (std::vector<model::Segment>& segments :
         std::vector<std::vector<model::Segment>>{Images(), std::move(text)}) {
      Prefill prefill(model_, std::move(segments));
      COOPER_RETURN_IF_ERROR(prefill.Begin(model_));
      COOPER_ASSIGN_OR_RETURN(const auto denoise,
                              model_->BeginDenoiseStep(Maps()));
      model::VaeDecodeItem latents;
      latents.denoiser = shown.get();
      COOPER_ASSIGN_OR_RETURN(
          const auto decode,
          model_->BeginVaeDecode(absl::MakeSpan(&latents, 1)));
      COOPER_RETURN_IF_ERROR(
          RunInTurns({prefill.step(), denoise.get(), decode.get()}));
      COOPER_RETURN_IF_ERROR(prefill.End());
      COOPER_RETURN_IF_ERROR(latents.status);
    }
    return absl::OkStatus();
  }

  model::UnifiedModel* const model_;
  const WarmUpShapes shapes_;
  const model::SpecialTokens special_;
  model::SeededNoise noise_{0};
  Prefill prompt_;
  const std::unique_ptr<model::Context> empty_;
  std::vector<std::unique_ptr<model::Denoiser>> maps_;
};

}  // namespace

WarmUpShapes SmallestShapes(const model::ModelInfo& info) {
  const auto side = [](const model::ImageRule& rule) {
    return std::max(rule.stride, rule.min_size / rule.stride * rule.stride);
  };
  WarmUpShapes shapes;
  shapes.latents = Square(side(info.vae_rule));
  shapes.vision = Square(side(info.vit_rule));
  shapes.text_rows = 32;
  shapes.maps = {shapes.latents};
  return shapes;
}

WarmUpShapes LargestShapes(const model::ModelInfo& info, int64_t prefill_rows,
                           int64_t denoise_rows) {
  // Rounded as the rules round.
  const auto side = [](const model::ImageRule& rule) {
    const int by_pixels =
        static_cast<int>(std::sqrt(static_cast<double>(rule.max_pixels)));
    const int most = std::min(rule.max_size, by_pixels);
    return (2 * most + rule.stride - 1) / (2 * rule.stride) * rule.stride;
  };
  WarmUpShapes shapes;
  shapes.together = true;
  const int map_side = info.max_latent_side * info.latent_stride;
  shapes.latents = Square(std::min(side(info.vae_rule), map_side));
  shapes.vision = Square(side(info.vit_rule));
  shapes.text_rows = prefill_rows;
  // The prompt, and one of the same images or the text beside it, are in the
  // pool together.
  const int64_t images = Tiles(shapes.latents, info.latent_stride) +
                         Tiles(shapes.vision, info.vit_patch);
  const int64_t room = info.kv_capacity_tokens - 4 * info.kv_page_tokens;
  if (2 * images > room) {
    const WarmUpShapes small = SmallestShapes(info);
    shapes.latents = small.latents;
    shapes.vision = small.vision;
  }
  const int64_t prompt = Tiles(shapes.latents, info.latent_stride) +
                         Tiles(shapes.vision, info.vit_patch);
  shapes.text_rows = std::clamp<int64_t>(room - prompt, 1, prefill_rows);
  // Maps of the largest size, and one that fills the batch.
  const int64_t largest =
      kBranches * Tiles(Square(map_side), info.latent_stride);
  int64_t left = denoise_rows;
  do {
    shapes.maps.push_back(Square(map_side));
    left -= largest;
  } while (left >= largest);
  const int rest = static_cast<int>(
      std::sqrt(static_cast<double>(std::max<int64_t>(left, 0)) / kBranches));
  if (rest > 0) shapes.maps.push_back(Square(rest * info.latent_stride));
  return shapes;
}

absl::Status RunWarmUp(model::UnifiedModel* model, const WarmUpShapes& shapes) {
  return WarmUp(model, shapes).Run();
}

}  // namespace cooper::torch_model
