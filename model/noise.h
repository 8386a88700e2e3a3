#ifndef COOPER_MODEL_NOISE_H_
#define COOPER_MODEL_NOISE_H_

#include <cstdint>

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

}  // namespace cooper::model

#endif  // COOPER_MODEL_NOISE_H_
