#ifndef COOPER_MODEL_CHECKPOINT_SAFETENSORS_HEADER_H_
#define COOPER_MODEL_CHECKPOINT_SAFETENSORS_HEADER_H_

#include <cstddef>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/checkpoint/safetensors.h"

namespace cooper::checkpoint {

// The reference implementation's limit.
constexpr size_t kMaxHeaderBytes = 100'000'000;
// A limit of ours, ten times what the largest public models have: bounds time
// and memory that a hostile header can take.
constexpr size_t kMaxTensors = 200'000;

// Checks all of a *.safetensors file's bytes and returns its tensors, with
// `data` pointing into `file`. Pure; reads nothing outside of `file`, and only
// the header of it. DATA_LOSS: tensor and rule.
absl::StatusOr<std::map<std::string, TensorView>> ParseSafetensors(
    absl::Span<const uint8_t> file);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_SAFETENSORS_HEADER_H_
