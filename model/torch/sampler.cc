#include "model/torch/sampler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace cooper::torch_model {
namespace {

// Token ids by falling weight, equal weights by rising id, up to and including
// the one with which the sum of the weights exceeds a limit.
//
// A radix sort that starts at the highest digit and sorts only what it reaches:
// a nucleus is a small part of the vocabulary. Which ids come, in which order,
// and the sum, to the bit, are those of a full sort.
class Nucleus {
 public:
  // `weights` are not negative and not NaN; they outlive this.
  Nucleus(absl::Span<const double> weights, double limit)
      : weights_(weights), limit_(limit) {
    std::vector<model::TokenId> ids(weights.size());
    std::iota(ids.begin(), ids.end(), 0);
    std::vector<model::TokenId> spare(weights.size());
    Take(absl::MakeSpan(ids), absl::MakeSpan(spare));
  }

  const std::vector<model::TokenId>& tokens() const { return tokens_; }
  double mass() const { return mass_; }

 private:
  static constexpr int kDigitBits = 11;
  // Below this many ids, comparisons are faster than a pass over all digits.
  static constexpr size_t kFewIds = 256;

  // Of weights that are not negative, the order of the bits is their order.
  uint64_t BitsOf(model::TokenId id) const {
    return std::bit_cast<uint64_t>(weights_[id]);
  }

  // Takes `ids` (rising) by weight. Returns false once the limit is exceeded.
  // `spare` is as long as `ids`; both are overwritten.
  bool Take(absl::Span<model::TokenId> ids, absl::Span<model::TokenId> spare) {
    if (ids.size() <= kFewIds) {
      std::sort(ids.begin(), ids.end(), [&](int a, int b) {
        return weights_[a] != weights_[b] ? weights_[a] > weights_[b] : a < b;
      });
      return TakeInOrder(ids);
    }
    uint64_t least = std::numeric_limits<uint64_t>::max();
    uint64_t most = 0;
    for (const model::TokenId id : ids) {
      least = std::min(least, BitsOf(id));
      most = std::max(most, BitsOf(id));
    }
    if (least == most) return TakeInOrder(ids);
    const int shift = std::max(
        static_cast<int>(std::bit_width(most - least)) - kDigitBits, 0);
    const auto digit = [&](model::TokenId id) {
      return (most - BitsOf(id)) >> shift;
    };
    std::array<size_t, size_t{1} << kDigitBits> ends{};
    for (const model::TokenId id : ids) ++ends[digit(id)];
    // Counts become beginnings, and the placing makes them ends.
    size_t begin = 0;
    for (size_t& end : ends) begin += std::exchange(end, begin);
    for (const model::TokenId id : ids) spare[ends[digit(id)]++] = id;
    begin = 0;
    for (const size_t end : ends) {
      const size_t count = end - begin;
      if (count > 0 &&
          !Take(spare.subspan(begin, count), ids.subspan(begin, count))) {
        return false;
      }
      begin = end;
    }
    return true;
  }

  bool TakeInOrder(absl::Span<const model::TokenId> ids) {
    for (const model::TokenId id : ids) {
      tokens_.push_back(id);
      mass_ += weights_[id];
      if (mass_ > limit_) return false;
    }
    return true;
  }

  const absl::Span<const double> weights_;
  const double limit_;
  std::vector<model::TokenId> tokens_;
  double mass_ = 0.0;
};

}  // namespace

absl::StatusOr<model::TokenId> SampleToken(
    absl::Span<const float> logits, const model::SamplingOptions& options,
    model::NoiseSource* noise) {
  size_t best = 0;
  bool finite = true;
  for (size_t i = 0; i < logits.size(); ++i) {
    finite = finite && std::isfinite(logits[i]);
    if (logits[i] > logits[best]) best = i;
  }
  if (!finite) return absl::InternalError("a logit is not finite");
  if (!options.do_sample) return static_cast<model::TokenId>(best);

  const double temperature = std::max(options.temperature, kLowestTemperature);
  std::vector<double> weights(logits.size());
  double total = 0.0;
  for (size_t i = 0; i < logits.size(); ++i) {
    weights[i] = std::exp((double{logits[i]} - logits[best]) / temperature);
    total += weights[i];
  }
  if (options.top_p < 1.0) {
    const Nucleus nucleus(weights, options.top_p * total);
    double left = noise->Uniform() * nucleus.mass();
    for (const model::TokenId token : nucleus.tokens()) {
      left -= weights[token];
      if (left < 0.0) return token;
    }
    return nucleus.tokens().back();
  }
  double left = noise->Uniform() * total;
  for (size_t i = 0; i < weights.size(); ++i) {
    left -= weights[i];
    if (left < 0.0) return static_cast<model::TokenId>(i);
  }
  return static_cast<model::TokenId>(weights.size() - 1);
}

}  // namespace cooper::torch_model
