#include "tests/model/torch/meta_network.h"

#include <ATen/ops/empty.h>

#include <map>
#include <utility>

#include "model/torch/weights.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

constexpr int64_t kPages = 1024;
constexpr model::TokenId kToken = 5;

std::shared_ptr<const image::RgbImage> Grey(int side) {
  auto image = std::make_shared<image::RgbImage>();
  image->size = {side, side};
  image->pixels.assign(size_t{3} * side * side, 128);
  return image;
}

// The largest square that a rule gives.
int LargestSide(const model::ImageRule& rule) {
  int side = rule.max_size / rule.stride * rule.stride;
  while (int64_t{side} * side > rule.max_pixels) side -= rule.stride;
  return side;
}

// In slices of one part each, as the server runs it while others wait.
template <typename Step>
absl::Status RunInSlices(Step* step) {
  while (true) {
    const absl::StatusOr<bool> done = step->RunSlice(absl::ZeroDuration());
    if (!done.ok() || *done) return done.status();
  }
}

}  // namespace

model::TextSegment TextOf(int tokens) {
  return {std::vector<model::TokenId>(tokens, kToken)};
}

MetaNetwork::MetaNetwork(const std::string& shape, int layers,
                         at::ScalarType dtype)
    : shape_(checkpoint::ShapeByName(shape, layers).value()) {
  device_.device = c10::Device(c10::kMeta);
  device_.dtype = dtype;
  device_.generic_kernels = true;  // as on a GPU
  const auto network = MakeRandomWeights(WeightReader::Part::kNetwork, device_);
  const checkpoint::CooperConfig& cooper = shape_.cooper;
  const int64_t hidden = shape_.llm.hidden_size;
  transformer_ =
      std::make_unique<Transformer>(*network, shape_.llm, cooper, device_);
  vision_ = std::make_unique<VisionEncoder>(*network, shape_.vit, cooper,
                                            hidden, device_);
  latents_ =
      std::make_unique<LatentEmbedder>(*network, cooper, hidden, device_);
  const auto codec =
      MakeRandomWeights(WeightReader::Part::kAutoencoder, device_);
  autoencoder_ = std::make_unique<Autoencoder>(*codec, cooper, device_);
  pool_ = std::make_unique<KvPool>(
      KvPool::Shape{shape_.llm.num_hidden_layers,
                    shape_.llm.num_key_value_heads, shape_.llm.head_dim()},
      kPages, device_);
  delimiters_ = transformer_->Embed({kToken, kToken});
}

at::Tensor MetaNetwork::Empty(at::IntArrayRef sizes,
                              at::ScalarType dtype) const {
  return at::empty(sizes, at::TensorOptions(device_.device).dtype(dtype));
}

std::shared_ptr<const image::RgbImage> MetaNetwork::LatentImage() const {
  return Grey(LargestSide(shape_.cooper.vae_rule));
}

std::shared_ptr<const image::RgbImage> MetaNetwork::VisionImage() const {
  return Grey(LargestSide(shape_.cooper.vit_rule));
}

int64_t MetaNetwork::TokensOf(const model::Segment& segment) const {
  if (const auto* text = std::get_if<model::TextSegment>(&segment)) {
    return static_cast<int64_t>(text->ids.size());
  }
  if (const auto* latent = std::get_if<model::LatentImageSegment>(&segment)) {
    const image::Size size = latent->image->size;
    const int64_t stride = autoencoder_->token_stride();
    return 2 + size.width / stride * (size.height / stride);
  }
  return 2 + vision_->patches(
                 std::get<model::VisionImageSegment>(segment).image->size);
}

absl::Status MetaNetwork::Prefill(std::vector<Item> items,
                                  const at::Tensor& delimiters) {
  std::vector<model::PrefillItem> appended;
  std::map<PagedContext*, int64_t> tokens;
  for (Item& item : items) {
    if (auto* latent = std::get_if<model::LatentImageSegment>(&item.segment)) {
      latent->noise = &noise_;
    }
    appended.push_back({item.context, &item.segment, absl::OkStatus()});
    tokens[item.context] += TokensOf(item.segment);
  }
  for (const auto& [context, count] : tokens) {
    const absl::Status reserved = context->Reserve(count);
    if (!reserved.ok()) return reserved;
  }
  TorchPrefillStep step(
      PrefillNetwork{transformer_.get(), vision_.get(), autoencoder_.get(),
                     latents_.get(), &device_, &delimiters, &vision_pacer_,
                     &encoder_pacer_},
      absl::MakeSpan(appended));
  return RunInSlices(&step);
}

at::Tensor MetaNetwork::Decode(const std::vector<PagedContext*>& contexts) {
  PrefillBatch batch;
  for (PagedContext* context : contexts) {
    EXPECT_OK(context->Reserve(1));
    EmbeddedSegment segment;
    segment.text = {kToken};
    batch.Add(context, segment);
  }
  Pass pass(transformer_.get(), batch.TakeInput(/*need_output=*/true));
  pass.RunAll();
  batch.Commit();
  return transformer_->Logits(pass.Finish().und);
}

std::unique_ptr<PagedContext> MetaNetwork::SomeContext(int text_tokens) {
  auto context = std::make_unique<PagedContext>(pool_.get());
  EXPECT_OK(Prefill({{context.get(), TextOf(text_tokens)},
                     {context.get(), model::LatentImageSegment{LatentImage()}},
                     {context.get(), model::VisionImageSegment{VisionImage()}},
                     {context.get(), TextOf(3)}}));
  return context;
}

std::unique_ptr<TorchDenoiser> MetaNetwork::SomeDenoiser(image::Size size,
                                                         model::Renorm renorm) {
  const int stride =
      shape_.cooper.ae_downsample * shape_.cooper.latent_patch_size;
  const int64_t h = size.height / stride;
  const int64_t w = size.width / stride;
  const std::unique_ptr<PagedContext> cond = SomeContext(20);
  const PagedContext empty(pool_.get());
  model::DenoiseSpec spec;
  spec.size = size;
  spec.options.num_timesteps = 5;
  spec.options.cfg_renorm_type = renorm;
  spec.cond = cond.get();
  spec.no_text = cond.get();
  spec.no_image = &empty;
  return std::make_unique<TorchDenoiser>(
      spec, Empty({h * w, latents_->channels()}, at::kFloat), h, w);
}

absl::Status MetaNetwork::Step(TorchDenoiser* flow,
                               const at::Tensor& delimiters) {
  model::Denoiser* const denoisers[] = {flow};
  TorchDenoiseStep step(transformer_.get(), latents_.get(), device_, delimiters,
                        denoisers);
  return RunInSlices(&step);
}

}  // namespace cooper::torch_model
