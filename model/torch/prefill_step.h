#ifndef COOPER_MODEL_TORCH_PREFILL_STEP_H_
#define COOPER_MODEL_TORCH_PREFILL_STEP_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/torch/kv_cache.h"
#include "model/torch/paced_pass.h"
#include "model/torch/prefill_batch.h"
#include "model/torch/slice_pacer.h"
#include "model/torch/transformer.h"
#include "model/torch/vision/autoencoder.h"
#include "model/torch/vision/latents.h"
#include "model/torch/vision/vision_encoder.h"
#include "model/unified_model.h"

namespace cooper::torch_model {

// The parts of the network that a prefill goes through, and how long theirs
// took. All outlive the step.
struct PrefillNetwork {
  const Transformer* transformer;
  const VisionEncoder* vision;
  const Autoencoder* autoencoder;
  const LatentEmbedder* latents;
  const Device* device;
  const at::Tensor* delimiters;  // embeddings of soi and eoi, [2, hidden]
  PartPacer* vision_pacer;
  PartPacer* autoencoder_pacer;
};

// Appends of several contexts: what the vision encoder sees, all images
// together; the latents, image by image; then all segments in one pass.
class TorchPrefillStep final : public model::PrefillStep {
 public:
  // Items whose status is not OK are left out; the others' segments are good,
  // and their contexts have room reserved.
  TorchPrefillStep(const PrefillNetwork& network,
                   absl::Span<model::PrefillItem> items);

  absl::StatusOr<bool> RunSlice(absl::Duration budget) override;
  void Drop(const model::Context* context) override;

 private:
  struct Entry {
    model::PrefillItem* item;
    at::Tensor latents;  // of a latent image, once encoded: [tokens, channels]
  };

  absl::StatusOr<bool> RunStages(SliceBudget* slice);
  void StartVision();
  // What fits into the slice; returns whether the stage is complete.
  absl::StatusOr<bool> RunVision(SliceBudget* slice);
  absl::StatusOr<bool> RunVaeDecode(SliceBudget* slice);
  absl::StatusOr<bool> RunPass(SliceBudget* slice);
  void StartPass();
  void DropImage(const image::RgbImage* image);
  EmbeddedSegment Embedded(const Entry& entry) const;

  const PrefillNetwork network_;
  std::list<Entry> entries_;  // in the order of the pass's segments
  std::optional<VisionEncoder::Run> vision_;
  bool vision_started_ = false;
  // The latent image under way.
  struct Encoding {
    Entry* entry;
    Autoencoder::Run run;
  };
  std::optional<Encoding> encoding_;
  absl::Status failure_;  // of Drop: the step cannot go on
  PrefillBatch batch_;
  std::unique_ptr<PacedPass> pass_;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_PREFILL_STEP_H_
