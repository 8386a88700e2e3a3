#ifndef COOPER_MODEL_UNIFIED_MODEL_H_
#define COOPER_MODEL_UNIFIED_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/image/image.h"
#include "model/noise.h"
#include "model/options.h"
#include "model/text_codec.h"

// The seam between the engine and a network. The engine knows no tensor; a
// model knows no request.
//
// Threads: `info()`, `text_codec()` and `kv_usage()` may be called from any
// thread. All else, and every Context, Denoiser and Step (their destructors
// too), belongs to one thread at a time: the engine's.
//
// Results: an item's result depends on that item alone, never on its
// neighbours in the batch, up to float rounding.
//
// Errors: an item that cannot be served (context pool full, not-finite values)
// carries its own status and leaves its context as it was. The status that
// BeginPrefill, Decode, StartDenoise, BeginDenoiseStep, BeginVaeDecode and
// RunSlice return is about the whole call:
// - RESOURCE_EXHAUSTED: the device's memory ran out. The contexts and denoisers
//   of the call are as they were, though noise may have been drawn; a step that
//   returned it can only be destroyed. The model may still be used, for example
//   with fewer items in a call.
// - INVALID_ARGUMENT: from StartDenoise only.
// - Any other error: the device failed, and the model must not be used again.

namespace cooper::model {

// A file that weights were read from.
struct WeightFile {
  std::string path;
  int64_t tensors = 0;  // that came from it
};

// Facts of a loaded model; constant after the warm-up.
struct ModelInfo {
  std::string name;
  std::string device;  // "cpu", "cuda:0", "fake"
  std::string dtype;   // "float32", "bfloat16"
  int64_t parameters = 0;
  int64_t weight_bytes = 0;
  std::vector<WeightFile> files;
  // What was chosen, computed or left out while loading, for the log.
  std::vector<std::string> notes;
  int threads = 0;              // of one operator on the CPU; 0: unknown
  std::string instruction_set;  // of the CPU's kernels; empty: unknown
  bool can_reason = true;
  bool can_generate_maps = true;
  // Whether the checkpoint was trained for further questions and for images of
  // its own. Clients are told; calls are served either way.
  bool can_converse = true;
  bool can_generate_images = true;
  ImageRule vae_rule;
  ImageRule vit_rule;
  int latent_stride = 16;          // px per latent token, both ways
  int max_latent_side = 64;        // latent tokens per side at most
  int vit_patch = 14;              // px per ViT token, both ways
  int64_t max_positions = 0;       // of one sequence; 0: not limited
  int64_t kv_capacity_tokens = 0;  // of the whole pool
  int64_t kv_bytes_per_token = 0;
  int64_t kv_page_tokens = 1;  // contexts take the pool in pages of these
  Prompts prompts;
  GenerationDefaults defaults;
};

// What a GPU's memory holds, bytes: tensors, what the allocator took for them,
// and what is free of the whole.
struct GpuMemory {
  int64_t allocated_bytes = 0;
  int64_t reserved_bytes = 0;
  int64_t free_bytes = 0;
};

struct KvUsage {
  int64_t used_bytes = 0;
  int64_t capacity_bytes = 0;
};

// A sequence's KV cache and its two counters. The destructor gives the memory
// back to the pool.
class Context {
 public:
  virtual ~Context() = default;
  // An equal context that shares this one's storage, copy-on-write. O(1);
  // cannot fail.
  virtual std::unique_ptr<Context> Fork() const = 0;
  virtual int64_t cache_length() const = 0;   // tokens
  virtual int64_t next_position() const = 0;  // rope position
  // Equal for two contexts exactly if one is an unchanged fork of the other
  // (or both are of the same unchanged ancestor; all empty contexts are
  // equal): what one has cached the other has too.
  virtual uint64_t lineage() const = 0;
};

// Exact ids, bos and eos included; causal; advances the position by its
// length. A segment may also continue a text that was decoded (no bos).
struct TextSegment {
  std::vector<TokenId> ids;
};

// An image as clean latents (timestep 0). `image` has the size that vae_rule
// gives. Draws [z, h/downsample, w/downsample] normals from `noise`.
struct LatentImageSegment {
  std::shared_ptr<const image::RgbImage> image;
  NoiseSource* noise = nullptr;
};

// An image as the vision encoder sees it. `image` has the size that vit_rule
// gives. Items that share the pointer are encoded once.
struct VisionImageSegment {
  std::shared_ptr<const image::RgbImage> image;
};

using Segment =
    std::variant<TextSegment, LatentImageSegment, VisionImageSegment>;

// Delimiters that a context holds around a text (bos, eos) or an image.
inline constexpr int64_t kDelimiters = 2;

// Rows (tokens) that an image of `size` px, or a segment, takes in a context,
// an image's delimiters included.
int64_t LatentRows(const ModelInfo& info, image::Size size);
int64_t VisionRows(const ModelInfo& info, image::Size size);
int64_t SegmentRows(const ModelInfo& info, const Segment& segment);

// An in-flight batch, executed in time slices. Several may be in flight at
// once, interleaved with other calls, but a context or denoiser belongs to at
// most one. Destroying it early leaves its contexts and denoisers unchanged.
class Step {
 public:
  virtual ~Step() = default;
  // Runs a part that takes about `budget`, but always some of it; returns
  // whether the batch is complete. An infinite budget runs it to its end.
  virtual absl::StatusOr<bool> RunSlice(absl::Duration budget) = 0;
};

// Appends `segment` to `context`. Several items may name one context: they are
// appended in their order.
struct PrefillItem {
  Context* context = nullptr;
  const Segment* segment = nullptr;
  absl::Status status;  // out; RESOURCE_EXHAUSTED: the pool is full
};

// Contexts grow, and statuses are set, as the step completes.
class PrefillStep : public Step {
 public:
  // Drops a context (its request was cancelled): its items leave before the
  // next slice, and the others' results stay the same. It may be destroyed
  // after the call, and so may what its items point to. Where the device fails
  // meanwhile, or its memory runs out, the next slice returns that status.
  virtual void Drop(const Context* context) = 0;
};

// Appends `token` to `context` and chooses the one that follows it.
struct DecodeItem {
  Context* context = nullptr;
  TokenId token = 0;
  SamplingOptions sampling;
  NoiseSource* noise = nullptr;  // used where sampling.do_sample
  TokenId next = 0;              // out
  absl::Status status;           // out
};

// One map or image being generated: its latents and the steps that are left.
// Holds forks of its contexts.
class Denoiser {
 public:
  virtual ~Denoiser() = default;
  virtual int steps_total() const = 0;  // num_timesteps - 1
  virtual int steps_done() const = 0;
  // Transformer passes (branches) that the next step takes: 1..3.
  virtual int next_step_branches() const = 0;
  // Latent tokens per branch.
  virtual int latent_tokens() const = 0;
};

struct DenoiseSpec {
  image::Size size;  // px; multiples of latent_stride
  FlowOptions options;
  const Context* cond = nullptr;
  const Context* no_text = nullptr;
  const Context* no_image = nullptr;
  NoiseSource* noise = nullptr;  // [tokens, channels] normals, in StartDenoise
};

// One Euler step of several denoisers. As it completes every denoiser advances
// by one.
class DenoiseStep : public Step {
 public:
  // As PrefillStep's.
  virtual void Drop(const Denoiser* denoiser) = 0;
};

enum class LatentEstimate {
  kCurrent,         // the state x; the map once all steps are done
  kPredictedFinal,  // x - t*v: what the map would be, for previews
};

struct VaeDecodeItem {
  const Denoiser* denoiser = nullptr;
  LatentEstimate estimate = LatentEstimate::kCurrent;
  image::FloatRgbImage image;  // out
  absl::Status status;         // out; INTERNAL: not-finite values
};

class UnifiedModel {
 public:
  virtual ~UnifiedModel() = default;

  virtual const ModelInfo& info() const = 0;
  virtual const TextCodec& text_codec() const = 0;
  virtual KvUsage kv_usage() const = 0;

  virtual std::unique_ptr<Context> NewContext() = 0;
  // The items, and what they point to, must outlive the step.
  virtual absl::StatusOr<std::unique_ptr<PrefillStep>> BeginPrefill(
      absl::Span<PrefillItem> items) = 0;
  virtual absl::Status Decode(absl::Span<DecodeItem> items) = 0;
  // INVALID_ARGUMENT: a size or option outside of what the checkpoint can do.
  virtual absl::StatusOr<std::unique_ptr<Denoiser>> StartDenoise(
      const DenoiseSpec& spec) = 0;
  // The denoisers must outlive the step (or be dropped from it) and have steps
  // left.
  virtual absl::StatusOr<std::unique_ptr<DenoiseStep>> BeginDenoiseStep(
      absl::Span<Denoiser* const> denoisers) = 0;
  // The items and their denoisers must outlive the step; the denoisers may not
  // be in a DenoiseStep meanwhile.
  virtual absl::StatusOr<std::unique_ptr<Step>> BeginVaeDecode(
      absl::Span<VaeDecodeItem> items) = 0;
  // Runs every kind of work once, so that the first request is not slower. Call
  // it once after loading, on the thread that will use the model, while there
  // is no context; info().kv_capacity_tokens may change.
  virtual absl::Status WarmUp() = 0;
  // nullopt: not on a GPU.
  virtual std::optional<GpuMemory> gpu_memory() const { return std::nullopt; }

  // In one go.
  absl::Status Prefill(absl::Span<PrefillItem> items);
  absl::Status VaeDecode(absl::Span<VaeDecodeItem> items);
};

}  // namespace cooper::model

#endif  // COOPER_MODEL_UNIFIED_MODEL_H_
