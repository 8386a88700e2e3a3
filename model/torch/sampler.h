#ifndef COOPER_MODEL_TORCH_SAMPLER_H_
#define COOPER_MODEL_TORCH_SAMPLER_H_

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/noise.h"
#include "model/options.h"
#include "model/text_codec.h"

namespace cooper::torch_model {

// Lower temperatures are taken for this one.
inline constexpr double kLowestTemperature = 1e-6;

// The next token from the logits of the restricted vocabulary. Greedy: the
// first of the largest. Sampling: softmax(logits / temperature), cut to the
// most probable tokens up to and including the one that passes top_p, one draw
// of `noise`. INTERNAL: a logit is not finite.
absl::StatusOr<model::TokenId> SampleToken(
    absl::Span<const float> logits, const model::SamplingOptions& options,
    model::NoiseSource* noise);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_SAMPLER_H_
