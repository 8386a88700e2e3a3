#ifndef COOPER_MODEL_TORCH_TORCH_MODEL_H_
#define COOPER_MODEL_TORCH_TORCH_MODEL_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/config.h"
#include "model/tokenizer/tokenizer.h"
#include "model/torch/denoiser.h"
#include "model/torch/kv_cache.h"
#include "model/torch/load_model.h"
#include "model/torch/memory_plan.h"
#include "model/torch/prefill_step.h"
#include "model/torch/recorder.h"
#include "model/torch/slice_pacer.h"
#include "model/torch/transformer.h"
#include "model/torch/vision/autoencoder.h"
#include "model/torch/vision/latents.h"
#include "model/torch/vision/vision_encoder.h"
#include "model/unified_model.h"

namespace cooper::torch_model {

// The whole network behind the seam. See unified_model.h for threads.
class TorchModel final : public model::UnifiedModel {
 public:
  static absl::StatusOr<std::unique_ptr<TorchModel>> Load(
      const LoadOptions& options);
  ~TorchModel() override;

  const model::ModelInfo& info() const override { return info_; }
  const model::TextCodec& text_codec() const override { return *tokenizer_; }
  model::KvUsage kv_usage() const override;
  std::unique_ptr<model::Context> NewContext() override;
  absl::StatusOr<std::unique_ptr<model::PrefillStep>> BeginPrefill(
      absl::Span<model::PrefillItem> items) override;
  absl::Status Decode(absl::Span<model::DecodeItem> items) override;
  absl::StatusOr<std::unique_ptr<model::Denoiser>> StartDenoise(
      const model::DenoiseSpec& spec) override;
  absl::StatusOr<std::unique_ptr<model::DenoiseStep>> BeginDenoiseStep(
      absl::Span<model::Denoiser* const> denoisers) override;
  absl::StatusOr<std::unique_ptr<model::Step>> BeginVaeDecode(
      absl::Span<model::VaeDecodeItem> items) override;
  std::optional<model::GpuMemory> gpu_memory() const override;
  absl::Status WarmUp() override;

  // The parts, for checks and benchmarks.
  const Transformer& transformer() const { return *transformer_; }
  const VisionEncoder& vision_encoder() const { return *vision_; }
  const Autoencoder& autoencoder() const { return *autoencoder_; }
  const LatentEmbedder& latent_embedder() const { return *latents_; }
  const checkpoint::LlmConfig& llm_config() const { return llm_; }
  const checkpoint::CooperConfig& cooper_config() const { return cooper_; }
  const Device& device() const { return device_; }
  // Null: none. Call it while no step is in flight; not for production.
  void set_recorder(Recorder* recorder);

 private:
  TorchModel() = default;
  absl::Status Build(const LoadOptions& options);
  // The number of weights.
  absl::StatusOr<int64_t> ReadWeights(const checkpoint::Checkpoint& checkpoint,
                                      const LoadOptions& options);
  absl::Status CheckEndOfText() const;
  absl::Status MakeFirstPool();
  void MakePool(int64_t bytes);
  // Measures what the largest batches take, and makes the pool of the rest.
  absl::Status WarmUpGpu();
  // Marks what a GPU failed at while the model was loaded.
  absl::Status OfDevice(const absl::Status& status) const;
  void FillInfo(int vit_patch, int64_t parameters);
  absl::Status CheckSegment(const model::Segment& segment) const;
  // Decode without the guard.
  void RunDecode(absl::Span<model::DecodeItem> items);
  void ReserveFor(absl::Span<model::PrefillItem> items);

  Device device_;
  MemoryPlan memory_;
  int64_t prefill_rows_ = 0, denoise_rows_ = 0;  // of the largest batches
  checkpoint::LlmConfig llm_;
  checkpoint::CooperConfig cooper_;
  std::unique_ptr<const tokenizer::Tokenizer> tokenizer_;
  std::unique_ptr<Transformer> transformer_;
  std::unique_ptr<VisionEncoder> vision_;
  std::unique_ptr<Autoencoder> autoencoder_;
  std::unique_ptr<LatentEmbedder> latents_;
  std::unique_ptr<KvPool> pool_;
  at::Tensor delimiters_;   // embeddings of soi and eoi, [2, hidden]
  int64_t vocabulary_ = 0;  // logits that may be chosen
  model::ModelInfo info_;
  PartPacer vision_pacer_, encoder_pacer_, decoder_pacer_;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_TORCH_MODEL_H_
