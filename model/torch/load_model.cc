#include "model/torch/load_model.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <malloc.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/control_group.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/weight_check.h"
#include "model/device_status.h"
#include "model/torch/cpu/instruction_set.h"
#include "model/torch/device_settings.h"
#include "model/torch/guard.h"
#include "model/torch/torch_model.h"
#include "model/torch/torch_warnings.h"
#include "model/torch/warm_up.h"

namespace cooper::torch_model {
namespace {

// Below this many bytes of weights a token, waking a second thread for each
// operator costs more than it brings.
constexpr int64_t kSingleThreadBytes = int64_t{16} << 20;
}  // namespace

absl::StatusOr<std::unique_ptr<TorchModel>> TorchModel::Load(
    const LoadOptions& options) {
  LogTorchWarnings();
  std::unique_ptr<TorchModel> model(new TorchModel());
  COOPER_ASSIGN_OR_RETURN(
      model->device_,
      SelectDevice(options.device, options.dtype,
                   options.device_layer != nullptr ? options.device_layer
                                                   : DeviceLayer::OfBuild()));
  COOPER_RETURN_IF_ERROR(model->OfDevice(
      Guarded(model->device_, [&] { return model->Build(options); })));
  return model;
}

absl::Status TorchModel::Build(const LoadOptions& options) {
  if (options.kernels != "auto" && options.kernels != "generic") {
    return absl::InvalidArgumentError(absl::StrCat(
        "--kernels: must be auto or generic, not \"", options.kernels, "\""));
  }
  device_.generic_kernels = options.kernels == "generic";
  if (options.launcher != nullptr) device_.launcher = options.launcher;
  if (device_.generic_kernels) device_.launcher = nullptr;
  device_.deterministic = options.deterministic;
  ApplyDeviceSettings(device_);
  // libtorch's own choice is by the machine's cores, which a control group may
  // allow only a part of.
  at::set_num_threads(options.threads > 0 ? options.threads
                                          : std::min(at::get_num_threads(),
                                                     base::UsableCpus()));
  COOPER_ASSIGN_OR_RETURN(
      std::unique_ptr<const checkpoint::Checkpoint> checkpoint,
      checkpoint::Checkpoint::Open(
          options.checkpoint_dirs,
          options.random_weights ? checkpoint::Checkpoint::Weights::kNone
                                 : checkpoint::Checkpoint::Weights::kOpen));
  llm_ = checkpoint->llm();
  cooper_ = checkpoint->cooper();
  tokenizer::Tokenizer::Options of_tokenizer;
  of_tokenizer.vocabulary_size = llm_.vocab_size;
  of_tokenizer.special = cooper_.special_tokens;
  COOPER_ASSIGN_OR_RETURN(
      tokenizer_,
      tokenizer::Tokenizer::Load(checkpoint->directories(), of_tokenizer));
  COOPER_RETURN_IF_ERROR(CheckEndOfText());
  // Before anything is allocated whose size the configuration gives.
  COOPER_RETURN_IF_ERROR(checkpoint->fit());
  memory_ =
      PlanMemory(llm_, checkpoint->vit(), cooper_, options, device_.dtype);
  prefill_rows_ = options.prefill_rows;
  denoise_rows_ = options.denoise_rows;
  if (!device_.is_cpu()) {
    COOPER_ASSIGN_OR_RETURN(const DeviceMemory memory, MemoryOf(device_));
    COOPER_RETURN_IF_ERROR(memory_.CheckFree(memory));
  }

  const int vit_patch = checkpoint->vit().patch_size;
  COOPER_ASSIGN_OR_RETURN(const int64_t parameters,
                          ReadWeights(*checkpoint, options));
  info_.files = checkpoint->report().files;
  info_.notes = checkpoint->report().Notes();
  // The weights are held in our own form from here on: the open files, and
  // what reading them left on the heap, go back to the system.
  checkpoint.reset();
  malloc_trim(0);

  if (options.threads == 0 && device_.is_cpu() &&
      transformer_->und_weight_bytes() < kSingleThreadBytes) {
    at::set_num_threads(1);
  }

  const model::SpecialTokens& special = tokenizer_->special();
  delimiters_ = transformer_->Embed({special.soi, special.eoi});
  vocabulary_ = cooper_.text_vocab_size;
  COOPER_RETURN_IF_ERROR(MakeFirstPool());
  FillInfo(vit_patch, parameters);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> TorchModel::ReadWeights(
    const checkpoint::Checkpoint& checkpoint, const LoadOptions& options) {
  std::unique_ptr<checkpoint::WeightCheck> check;
  if (options.check_weights && !options.random_weights) {
    COOPER_ASSIGN_OR_RETURN(
        check, checkpoint::WeightCheck::Start(checkpoint.weight_files()));
  }
  if (options.progress != nullptr) {
    options.progress->Begin(model::LoadStage::kReading,
                            checkpoint.report().bytes);
  }
  const auto weights_of = [&](WeightReader::Part part) {
    return options.random_weights
               ? MakeRandomWeights(part, device_)
               : MakeFileWeights(checkpoint, part, device_, options.progress);
  };
  std::unique_ptr<WeightReader> weights =
      weights_of(WeightReader::Part::kNetwork);
  transformer_ =
      std::make_unique<Transformer>(*weights, llm_, cooper_, device_);
  vision_ = std::make_unique<VisionEncoder>(*weights, checkpoint.vit(), cooper_,
                                            llm_.hidden_size, device_);
  latents_ = std::make_unique<LatentEmbedder>(*weights, cooper_,
                                              llm_.hidden_size, device_);
  const absl::Status network = weights->status();
  int64_t parameters = weights->parameters();
  weights = weights_of(WeightReader::Part::kAutoencoder);
  autoencoder_ = std::make_unique<Autoencoder>(*weights, cooper_, device_);
  const absl::Status autoencoder = weights->status();
  parameters += weights->parameters();
  // A file that is not what it should be explains all other faults.
  if (check != nullptr) {
    COOPER_RETURN_IF_ERROR(check->Wait(options.progress));
  }
  COOPER_RETURN_IF_ERROR(network);
  COOPER_RETURN_IF_ERROR(autoencoder);
  return parameters;
}

absl::Status TorchModel::CheckEndOfText() const {
  const model::TokenId eos = tokenizer_->special().eos;
  if (eos < cooper_.text_vocab_size) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the token that ends a text, ", eos,
                   ", is not below text_vocab_size of cooper_config.json (",
                   cooper_.text_vocab_size, "), so no text would ever end"));
}

absl::Status TorchModel::MakeFirstPool() {
  COOPER_ASSIGN_OR_RETURN(const DeviceMemory memory, MemoryOf(device_));
  COOPER_ASSIGN_OR_RETURN(const int64_t bytes, device_.is_cpu()
                                                   ? memory_.HostPool(memory)
                                                   : memory_.FirstPool(memory));
  MakePool(bytes);
  if (!device_.is_cpu()) return absl::OkStatus();
  if (const auto warning = memory_.HostPoolWarning(bytes, memory);
      !warning.empty()) {
    base::Log(base::LogLevel::kWarning, warning,
              {{"kv_cache_mib", bytes >> 20},
               {"kv_cache_tokens", info_.kv_capacity_tokens},
               {"usual_mib", memory_.UsualHostPool() >> 20},
               {"free_mib", memory.free_bytes >> 20},
               {"limit_mib", memory.total_bytes >> 20}});
  }
  return absl::OkStatus();
}

void TorchModel::MakePool(int64_t bytes) {
  pool_.reset();
  pool_ = std::make_unique<KvPool>(
      KvPool::Shape{llm_.num_hidden_layers, llm_.num_key_value_heads,
                    llm_.head_dim()},
      bytes / memory_.page, device_);
  info_.kv_capacity_tokens = pool_->pages() * KvPool::kPageTokens;
}

void TorchModel::FillInfo(int vit_patch, int64_t parameters) {
  info_.name = cooper_.name;
  info_.device = device_.name();
  info_.dtype = device_.dtype_name();
  info_.parameters = parameters;
  info_.threads = at::get_num_threads();
  info_.instruction_set = InstructionSetName();
  info_.weight_bytes = transformer_->weight_bytes() + vision_->weight_bytes() +
                       autoencoder_->weight_bytes();
  info_.vae_rule = cooper_.vae_rule;
  info_.vit_rule = cooper_.vit_rule;
  info_.latent_stride = cooper_.ae_downsample * cooper_.latent_patch_size;
  info_.max_latent_side = cooper_.max_latent_size;
  info_.vit_patch = vit_patch;
  info_.max_positions = llm_.max_position_embeddings;
  info_.kv_page_tokens = KvPool::kPageTokens;
  info_.kv_bytes_per_token = pool_->page_bytes() / KvPool::kPageTokens;
  info_.can_converse = cooper_.can_converse;
  info_.can_generate_images = cooper_.can_generate_images;
  info_.prompts = cooper_.prompts;
  info_.defaults = cooper_.generation;
}

absl::Status TorchModel::WarmUp() {
  if (device_.is_cpu()) {
    COOPER_RETURN_IF_ERROR(RunWarmUp(this, SmallestShapes(info_)));
    malloc_trim(0);  // what loading and this left on the heap
    return absl::OkStatus();
  }
  return OfDevice(Guarded(device_, [&] { return WarmUpGpu(); }));
}

absl::Status TorchModel::WarmUpGpu() {
  COOPER_CHECK(pool_->used_pages() == 0);
  DeviceLayer* const layer = device_.layer;
  COOPER_RETURN_IF_ERROR(layer->EmptyCache());
  COOPER_RETURN_IF_ERROR(layer->ResetPeak(device_.gpu));
  COOPER_ASSIGN_OR_RETURN(const AllocatorMemory before,
                          layer->Allocator(device_.gpu));
  COOPER_RETURN_IF_ERROR(
      RunWarmUp(this, LargestShapes(info_, prefill_rows_, denoise_rows_)));
  COOPER_RETURN_IF_ERROR(Synchronize(device_));
  COOPER_ASSIGN_OR_RETURN(const AllocatorMemory after,
                          layer->Allocator(device_.gpu));
  memory_.workspace = after.peak_reserved_bytes - before.allocated_bytes;
  COOPER_RETURN_IF_ERROR(layer->EmptyCache());
  COOPER_ASSIGN_OR_RETURN(DeviceMemory memory, MemoryOf(device_));
  memory.free_bytes += pool_->pages() * pool_->page_bytes();
  COOPER_ASSIGN_OR_RETURN(const int64_t bytes, memory_.FinalPool(memory));
  if (bytes / memory_.page != pool_->pages()) {
    pool_.reset();
    COOPER_RETURN_IF_ERROR(layer->EmptyCache());
    MakePool(bytes);
  }
  return absl::OkStatus();
}

absl::Status TorchModel::OfDevice(const absl::Status& status) const {
  const bool of_device =
      !device_.is_cpu() &&
      (absl::IsResourceExhausted(status) || absl::IsInternal(status));
  if (!of_device) return status;
  return model::DeviceUnusable(base::Annotate(status, device_.name()));
}

std::optional<model::GpuMemory> TorchModel::gpu_memory() const {
  if (device_.is_cpu()) return std::nullopt;
  const auto memory = device_.layer->Memory(device_.gpu);
  const auto allocator = device_.layer->Allocator(device_.gpu);
  if (!memory.ok() || !allocator.ok()) return std::nullopt;
  return model::GpuMemory{allocator->allocated_bytes, allocator->reserved_bytes,
                          memory->free_bytes};
}

absl::StatusOr<std::unique_ptr<model::UnifiedModel>> LoadModel(
    const LoadOptions& options) {
  COOPER_ASSIGN_OR_RETURN(std::unique_ptr<TorchModel> model,
                          TorchModel::Load(options));
  return std::unique_ptr<model::UnifiedModel>(std::move(model));
}

}  // namespace cooper::torch_model
