#ifndef COOPER_MODEL_NOISE_H_
#define COOPER_MODEL_NOISE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace cooper::model {

// Random draws, in the order in which they are made. Not thread-safe; owned by
// its request.
class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  // Fills `out` with N(0, 1).
  virtual void FillNormal(absl::Span<float> out) = 0;
  // One draw from [0, 1).
  virtual double Uniform() = 0;
};

// Philox 4x32-10 keyed by the seed, normals by Box-Muller: on the host, so
// that a seed gives the same draws on every device and machine.
class SeededNoise final : public NoiseSource {
 public:
  explicit SeededNoise(uint64_t seed) : seed_(seed) {}
  void FillNormal(absl::Span<float> out) override;
  double Uniform() override;

 private:
  uint32_t NextWord();

  uint64_t seed_;
  uint64_t counter_ = 0;
  uint32_t words_[4] = {};
  int words_left_ = 0;
};

// Normals of another source, which can be had once more: what work that failed
// has drawn is drawn again by its repetition. Remembers what it gave.
class ReplayedNoise final : public NoiseSource {
 public:
  explicit ReplayedNoise(std::unique_ptr<NoiseSource> source)
      : own_(std::move(source)), source_(own_.get()) {}
  // `source` outlives it.
  explicit ReplayedNoise(NoiseSource* source) : source_(source) {}

  void FillNormal(absl::Span<float> out) override;
  double Uniform() override { return source_->Uniform(); }  // not replayed
  // The next normals are the first ones again.
  void Rewind() { next_ = 0; }

 private:
  const std::unique_ptr<NoiseSource> own_;
  NoiseSource* const source_;
  std::vector<float> given_;
  size_t next_ = 0;
};

}  // namespace cooper::model

#endif  // COOPER_MODEL_NOISE_H_
