#include "model/torch/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace cooper::torch_model {
namespace {

constexpr double kLowestTemperature = 1e-6;

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
  std::vector<model::TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  if (options.top_p < 1.0) {
    std::sort(order.begin(), order.end(), [&](int a, int b) {
      return weights[a] != weights[b] ? weights[a] > weights[b] : a < b;
    });
    double mass = 0.0;
    size_t kept = 0;
    while (kept < order.size() && mass <= options.top_p * total) {
      mass += weights[order[kept++]];
    }
    order.resize(kept);
    total = mass;
  }
  double left = noise->Uniform() * total;
  for (const model::TokenId token : order) {
    left -= weights[token];
    if (left < 0.0) return token;
  }
  return order.back();
}

}  // namespace cooper::torch_model
