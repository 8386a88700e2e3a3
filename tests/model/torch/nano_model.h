#ifndef COOPER_TESTS_MODEL_TORCH_NANO_MODEL_H_
#define COOPER_TESTS_MODEL_TORCH_NANO_MODEL_H_

#include <memory>
#include <string>
#include <vector>

#include "model/torch/torch_model.h"

namespace cooper::torch_model {

// The goldens' nano checkpoint on the CPU in float32; loaded once a process.
TorchModel& NanoModel();
// A second one with a pool of `kv_cache_mib`.
std::unique_ptr<TorchModel> NanoModelWithPool(int64_t kv_cache_mib);

// A picture that is not flat, by its seed.
std::shared_ptr<const image::RgbImage> Picture(image::Size size, int seed);

// bos, `count` ids that depend on `seed`, eos.
model::TextSegment SomeText(int count, int seed);

// Appends the segments to one context in one call; expects success.
void PrefillAll(TorchModel& model, model::Context* context,
                const std::vector<model::Segment>& segments);

// Greedy tokens after bos.
std::vector<model::TokenId> DecodeTokens(TorchModel& model,
                                         const model::Context& context,
                                         int count);

}  // namespace cooper::torch_model

#endif  // COOPER_TESTS_MODEL_TORCH_NANO_MODEL_H_
