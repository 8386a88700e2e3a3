#ifndef COOPER_MODEL_CHECKPOINT_TENSOR_LIST_H_
#define COOPER_MODEL_CHECKPOINT_TENSOR_LIST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/checkpoint/config.h"

namespace cooper::checkpoint {

// How a tensor of a random checkpoint is filled.
enum class Filling { kMatrix, kNearOne, kSmall, kPositions };

struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
  Filling filling = Filling::kMatrix;
  // Inputs of one output: the deviation is 1 / sqrt(fan_in).
  int64_t fan_in() const;
  int64_t size() const;
};

// Every tensor of a checkpoint's network (ema.safetensors) and autoencoder
// (ae.safetensors), by name and shape (model-spec section 2).
std::vector<TensorSpec> NetworkTensors(const LlmConfig& llm,
                                       const VitConfig& vit,
                                       const CooperConfig& cooper);
std::vector<TensorSpec> AutoencoderTensors(const CooperConfig& cooper);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_TENSOR_LIST_H_
