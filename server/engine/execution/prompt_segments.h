#ifndef COOPER_SERVER_ENGINE_EXECUTION_PROMPT_SEGMENTS_H_
#define COOPER_SERVER_ENGINE_EXECUTION_PROMPT_SEGMENTS_H_

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "model/noise.h"
#include "model/unified_model.h"
#include "server/engine/execution/context_appender.h"
#include "server/engine/execution/execution_spec.h"

namespace cooper::engine {

// The segments of one request's program as the model takes them, made of the
// request's texts, images and maps.
//
// Not thread-safe. Owns the maps, and the noise that latents are sampled with.
class PromptSegments final : public SegmentSource {
 public:
  // Both outlive it.
  PromptSegments(const model::TextCodec* codec, const ExecutionSpec* spec)
      : codec_(codec), spec_(spec) {}

  // The map that is drawn next: what the vision encoder sees of it.
  void AddMap(std::shared_ptr<const image::RgbImage> vision) {
    maps_.push_back(std::move(vision));
  }
  // Latents that were made since the last Clear are sampled with the same
  // noise again.
  void RewindNoise() {
    for (const auto& noise : noises_) noise->Rewind();
  }
  // No segment that was made so far is in use.
  void Clear() { noises_.clear(); }

  // Segments of images hold until Clear.
  model::Segment Make(const PromptSegment& part) override;
  std::optional<base::Digest> KeyAfter(
      const base::Digest& before, const PromptSegment& part,
      const model::Segment& segment) const override;

 private:
  // bos and eos included.
  std::vector<model::TokenId> TextIds(const TextPart& part) const;

  const model::TextCodec* const codec_;
  const ExecutionSpec* const spec_;
  // By map id.
  std::vector<std::shared_ptr<const image::RgbImage>> maps_;
  std::vector<std::unique_ptr<model::ReplayedNoise>> noises_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_PROMPT_SEGMENTS_H_
