#ifndef COOPER_MODEL_NOISE_H_
#define COOPER_MODEL_NOISE_H_

#include <cstdint>
#include <optional>

#include "absl/types/span.h"

namespace cooper::model {

struct NoisePlace {
  uint64_t seed = 0;
  uint64_t words = 0;  // drawn so far
  friend bool operator==(const NoisePlace&, const NoisePlace&) = default;
};

// Every random draw of one request, in the order in which the request makes
// them. Not thread-safe; owned by its request.
class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  // Fills `out` with N(0, 1).
  virtual void FillNormal(absl::Span<float> out) = 0;
  // One draw from [0, 1).
  virtual double Uniform() = 0;
  // Where the next draw is, for a source whose draws are known by that: two
  // sources at one place draw the same. nullopt: it is not such a source.
  virtual std::optional<NoisePlace> place() const { return std::nullopt; }
  // Goes to a place of its own seed, as if everything up to it was drawn.
  // Nothing, for a source without places.
  virtual void GoTo(uint64_t words) {}
};

// Philox 4x32-10 keyed by the seed, normals by Box-Muller: on the host, so
// that a seed gives the same draws on every device and machine.
class SeededNoise final : public NoiseSource {
 public:
  explicit SeededNoise(uint64_t seed) : seed_(seed) {}
  void FillNormal(absl::Span<float> out) override;
  double Uniform() override;
  std::optional<NoisePlace> place() const override;
  void GoTo(uint64_t words) override;

 private:
  uint32_t NextWord();

  uint64_t seed_;
  uint64_t counter_ = 0;
  uint32_t words_[4] = {};
  int words_left_ = 0;
};

}  // namespace cooper::model

#endif  // COOPER_MODEL_NOISE_H_
