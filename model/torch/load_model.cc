#include "model/torch/load_model.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <malloc.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/checkpoint.h"
#include "model/torch/device_settings.h"
#include "model/torch/guard.h"
#include "model/torch/torch_model.h"
#include "server/base/status_macros.h"

namespace cooper::torch_model {
namespace {

// What the KV pool takes where the flag leaves it open.
constexpr int64_t kDefaultHostPoolTokens = 65536;
constexpr int64_t kLeastHostPoolBytes = int64_t{256} << 20;
constexpr int64_t kWorkspaceReserveBytes = int64_t{2} << 30;  // on a card
constexpr int64_t kMinPoolPages = 16;
// Below this many bytes of weights a token, waking a second thread for each
// operator costs more than it brings.
constexpr int64_t kSingleThreadBytes = int64_t{16} << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<TorchModel>> TorchModel::Load(
    const LoadOptions& options) {
  std::unique_ptr<TorchModel> model(new TorchModel());
  COOPER_ASSIGN_OR_RETURN(
      model->device_,
      SelectDevice(options.device, options.dtype,
                   options.device_layer != nullptr ? options.device_layer
                                                   : DeviceLayer::OfBuild()));
  COOPER_RETURN_IF_ERROR(
      Guarded(model->device_, [&] { return model->Build(options); }));
  return model;
}

absl::Status TorchModel::Build(const LoadOptions& options) {
  if (options.kernels != "auto" && options.kernels != "generic") {
    return absl::InvalidArgumentError(absl::StrCat(
        "--kernels: must be auto or generic, not \"", options.kernels, "\""));
  }
  device_.generic_kernels = options.kernels == "generic";
  ApplyDeviceSettings(device_);
  if (options.threads > 0) at::set_num_threads(options.threads);
  COOPER_ASSIGN_OR_RETURN(
      std::unique_ptr<const checkpoint::Checkpoint> checkpoint,
      checkpoint::Checkpoint::Open(
          options.checkpoint_dirs,
          options.random_weights ? checkpoint::Checkpoint::Weights::kNone
                                 : checkpoint::Checkpoint::Weights::kOpen));
  COOPER_ASSIGN_OR_RETURN(
      tokenizer_, tokenizer::Tokenizer::Load(checkpoint->tokenizer_dir()));
  llm_ = checkpoint->llm();
  cooper_ = checkpoint->cooper();

  const auto weights_of = [&](WeightReader::Part part) {
    return options.random_weights ? MakeRandomWeights(part, device_)
                                  : MakeFileWeights(*checkpoint, part, device_);
  };
  std::unique_ptr<WeightReader> weights =
      weights_of(WeightReader::Part::kNetwork);
  transformer_ =
      std::make_unique<Transformer>(*weights, llm_, cooper_, device_);
  vision_ = std::make_unique<VisionEncoder>(*weights, checkpoint->vit(),
                                            cooper_, llm_.hidden_size, device_);
  latents_ = std::make_unique<LatentEmbedder>(*weights, cooper_,
                                              llm_.hidden_size, device_);
  COOPER_RETURN_IF_ERROR(weights->status());
  int64_t parameters = weights->parameters();
  weights = weights_of(WeightReader::Part::kAutoencoder);
  autoencoder_ = std::make_unique<Autoencoder>(*weights, cooper_, device_);
  COOPER_RETURN_IF_ERROR(weights->status());
  parameters += weights->parameters();
  weights.reset();
  const int vit_patch = checkpoint->vit().patch_size;
  // The weights are held in our own form from here on: the open files, and
  // what reading them left on the heap, go back to the system.
  checkpoint.reset();
  malloc_trim(0);

  if (options.threads == 0 && device_.is_cpu() &&
      transformer_->und_weight_bytes() < kSingleThreadBytes) {
    at::set_num_threads(1);
  }

  const model::SpecialTokens& special = tokenizer_->special();
  for (const model::TokenId id :
       {special.bos, special.eos, special.soi, special.eoi}) {
    if (id >= llm_.vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the tokenizer's control token ", id,
          " lies outside of llm_config.json's vocab_size ", llm_.vocab_size));
    }
  }
  delimiters_ = transformer_->Embed({special.soi, special.eoi});
  vocabulary_ = std::min(cooper_.text_vocab_size, llm_.vocab_size);
  COOPER_RETURN_IF_ERROR(MakePool(options));
  FillInfo(vit_patch, parameters);
  return absl::OkStatus();
}

absl::Status TorchModel::MakePool(const LoadOptions& options) {
  const KvPool::Shape shape{llm_.num_hidden_layers, llm_.num_key_value_heads,
                            llm_.head_dim()};
  const int64_t page_bytes =
      int64_t{2} * shape.layers * KvPool::kPageTokens * shape.kv_heads *
      shape.head_dim * static_cast<int64_t>(c10::elementSize(device_.dtype));
  COOPER_ASSIGN_OR_RETURN(const DeviceMemory memory, MemoryOf(device_));
  int64_t bytes = options.kv_cache_mib << 20;
  if (bytes == 0) {
    bytes = device_.is_cpu()
                ? std::min(std::max(kDefaultHostPoolTokens /
                                        KvPool::kPageTokens * page_bytes,
                                    kLeastHostPoolBytes),
                           memory.free_bytes / 2)
                : memory.free_bytes - kWorkspaceReserveBytes;
  }
  const int64_t pages = bytes / page_bytes;
  if (pages < kMinPoolPages || bytes > memory.free_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the KV cache: ", bytes >> 20, " MiB of ", memory.free_bytes >> 20,
        " MiB free; at least ", (kMinPoolPages * page_bytes) >> 20,
        " MiB are needed (--kv_cache_mib)"));
  }
  pool_ = std::make_unique<KvPool>(shape, pages, device_);
  return absl::OkStatus();
}

void TorchModel::FillInfo(int vit_patch, int64_t parameters) {
  info_.name = cooper_.name;
  info_.device = device_.name();
  info_.dtype = device_.dtype_name();
  info_.parameters = parameters;
  info_.weight_bytes = transformer_->weight_bytes() + vision_->weight_bytes() +
                       autoencoder_->weight_bytes();
  info_.vae_rule = cooper_.vae_rule;
  info_.vit_rule = cooper_.vit_rule;
  info_.latent_stride = cooper_.ae_downsample * cooper_.latent_patch_size;
  info_.max_latent_side = cooper_.max_latent_size;
  info_.vit_patch = vit_patch;
  info_.kv_capacity_tokens = pool_->pages() * KvPool::kPageTokens;
  info_.kv_page_tokens = KvPool::kPageTokens;
  info_.kv_bytes_per_token = pool_->page_bytes() / KvPool::kPageTokens;
  info_.prompts = cooper_.prompts;
  info_.defaults = cooper_.generation;
}

absl::Status TorchModel::WarmUp() {
  const std::unique_ptr<model::Context> cond = NewContext();
  const std::unique_ptr<model::Context> empty = NewContext();
  model::SeededNoise noise(0);
  const auto grey = [](image::Size size) {
    auto image = std::make_shared<image::RgbImage>();
    image->size = size;
    image->pixels.assign(size_t{3} * size.width * size.height, 128);
    return image;
  };
  // The smallest square that the rules give.
  const auto side = [](const model::ImageRule& rule) {
    return std::max(rule.stride, rule.min_size / rule.stride * rule.stride);
  };
  const int latent_side = side(info_.vae_rule);
  const int vision_side = side(info_.vit_rule);
  const model::SpecialTokens& special = tokenizer_->special();
  const std::vector<model::Segment> segments = {
      model::TextSegment{{special.bos, special.eos}},
      model::LatentImageSegment{grey({latent_side, latent_side}), &noise},
      model::VisionImageSegment{grey({vision_side, vision_side})},
      model::TextSegment{std::vector<model::TokenId>(32, special.bos)},
  };
  std::vector<model::AppendItem> items;
  items.reserve(segments.size());
  for (const model::Segment& segment : segments) {
    items.push_back({cond.get(), &segment, absl::OkStatus()});
  }
  COOPER_RETURN_IF_ERROR(Append(absl::MakeSpan(items)));
  for (const model::AppendItem& item : items) {
    COOPER_RETURN_IF_ERROR(item.status);
  }

  model::FlowSpec spec;
  spec.size = {latent_side, latent_side};
  spec.options.num_timesteps = 2;
  spec.cond = cond.get();
  spec.no_text = cond.get();
  spec.no_image = empty.get();
  spec.noise = &noise;
  COOPER_ASSIGN_OR_RETURN(const std::unique_ptr<model::Flow> flow,
                          StartFlow(spec));
  model::Flow* const flows[] = {flow.get()};
  COOPER_ASSIGN_OR_RETURN(const std::unique_ptr<model::FlowStep> step,
                          BeginFlowStep(flows));
  COOPER_RETURN_IF_ERROR(step->RunSlice(absl::InfiniteDuration()).status());
  model::DecodeLatentsItem latents;
  latents.flow = flow.get();
  COOPER_RETURN_IF_ERROR(DecodeLatents(absl::MakeSpan(&latents, 1)));

  for (int i = 0; i < 4; ++i) {
    model::DecodeItem item;
    item.context = cond.get();
    item.token = special.bos;
    COOPER_RETURN_IF_ERROR(Decode(absl::MakeSpan(&item, 1)));
    COOPER_RETURN_IF_ERROR(item.status);
  }
  malloc_trim(0);  // what loading and this left on the heap
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<model::UnifiedModel>> LoadModel(
    const LoadOptions& options) {
  COOPER_ASSIGN_OR_RETURN(std::unique_ptr<TorchModel> model,
                          TorchModel::Load(options));
  return std::unique_ptr<model::UnifiedModel>(std::move(model));
}

}  // namespace cooper::torch_model
