#ifndef COOPER_TESTS_BENCH_NETWORK_CALLS_H_
#define COOPER_TESTS_BENCH_NETWORK_CALLS_H_

#include <memory>

#include "absl/types/span.h"
#include "model/unified_model.h"

// Single calls of a model, as the engine makes them. Failures end the program.

namespace cooper::bench {

std::unique_ptr<model::Context> ContextOf(model::UnifiedModel& model,
                                          int tokens);
void DecodeOne(model::UnifiedModel& model, model::Context* context);

// The flow of a map of `side` px under all three branches, or under one.
std::unique_ptr<model::Denoiser> StartMap(model::UnifiedModel& model,
                                          const model::Context& cond,
                                          const model::Context& no_image,
                                          int side, bool guided = true);
// A whole step of all.
void StepAll(model::UnifiedModel& model,
             absl::Span<model::Denoiser* const> denoisers);
void StepOne(model::UnifiedModel& model, model::Denoiser* flow);

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_NETWORK_CALLS_H_
