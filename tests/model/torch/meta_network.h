#ifndef COOPER_TESTS_MODEL_TORCH_META_NETWORK_H_
#define COOPER_TESTS_MODEL_TORCH_META_NETWORK_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "model/torch/denoiser.h"
#include "model/torch/kv_cache.h"
#include "model/torch/prefill_step.h"
#include "model/torch/transformer.h"
#include "model/torch/vision/autoencoder.h"
#include "model/torch/vision/latents.h"
#include "model/torch/vision/vision_encoder.h"
#include "tests/tools/random_checkpoint.h"

namespace cooper::torch_model {

// The network on ATen's meta device, which stands for a GPU: it has no memory,
// so that any shape fits, and no tensor of the host may take part in its
// operators. What the network does here, a GPU does with values.
class MetaNetwork {
 public:
  // A shape of checkpoint::ShapeByName with `layers` layers; `dtype` of
  // activations and the KV cache.
  MetaNetwork(const std::string& shape, int layers, at::ScalarType dtype);

  const checkpoint::RandomShape& shape() const { return shape_; }
  const Device& device() const { return device_; }
  Transformer& transformer() { return *transformer_; }
  const VisionEncoder& vision() const { return *vision_; }
  const Autoencoder& autoencoder() const { return *autoencoder_; }
  const LatentEmbedder& latents() const { return *latents_; }
  KvPool* pool() { return pool_.get(); }
  const at::Tensor& delimiters() const { return delimiters_; }

  // Tokens of a segment.
  int64_t TokensOf(const model::Segment& segment) const;
  struct Item {
    PagedContext* context;
    model::Segment segment;
  };
  // Appends all in one step, in slices. `delimiters`: as delimiters(), but may
  // be on another device.
  absl::Status Prefill(std::vector<Item> items, const at::Tensor& delimiters);
  absl::Status Prefill(std::vector<Item> items) {
    return Prefill(std::move(items), delimiters_);
  }
  // The next token of each context: logits [n, vocab].
  at::Tensor Decode(const std::vector<PagedContext*>& contexts);

  // A context of a text, an image as latents and as the encoder sees it, and
  // another text.
  std::unique_ptr<PagedContext> SomeContext(int text_tokens);
  // A flow at its start, with three branches.
  std::unique_ptr<TorchDenoiser> SomeDenoiser(image::Size size,
                                              model::Renorm renorm);
  // One step of it, in slices.
  absl::Status Step(TorchDenoiser* flow, const at::Tensor& delimiters);

  // Images of the largest size that the shape's rules give for `side`.
  std::shared_ptr<const image::RgbImage> LatentImage() const;
  std::shared_ptr<const image::RgbImage> VisionImage() const;

  // A tensor without values on the device.
  at::Tensor Empty(at::IntArrayRef sizes, at::ScalarType dtype) const;

 private:
  checkpoint::RandomShape shape_;
  Device device_;
  std::unique_ptr<Transformer> transformer_;
  std::unique_ptr<VisionEncoder> vision_;
  std::unique_ptr<Autoencoder> autoencoder_;
  std::unique_ptr<LatentEmbedder> latents_;
  std::unique_ptr<KvPool> pool_;
  at::Tensor delimiters_;
  model::SeededNoise noise_{1};
  PartPacer vision_pacer_, encoder_pacer_;
};

model::TextSegment TextOf(int tokens);

}  // namespace cooper::torch_model

#endif  // COOPER_TESTS_MODEL_TORCH_META_NETWORK_H_
