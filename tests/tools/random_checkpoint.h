#ifndef COOPER_TESTS_TOOLS_RANDOM_CHECKPOINT_H_
#define COOPER_TESTS_TOOLS_RANDOM_CHECKPOINT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint/config.h"

// Checkpoints of random weights and any shape, for tests and benchmarks: the
// layout of a real one, with a byte-level tokenizer of few merges.

namespace cooper::checkpoint {

struct RandomShape {
  LlmConfig llm;
  VitConfig vit;
  CooperConfig cooper;
};

// "nano" (about 2 M parameters), "small" (about 200 M) or "7b" (the widths of
// the public model, with `layers` layers). `layers` 0: the shape's own number.
// INVALID_ARGUMENT: another name, or layers out of [0, 1024].
absl::StatusOr<RandomShape> ShapeByName(const std::string& name, int layers);

// Writes the directory (made if absent) without the weights: the configuration
// and tokenizer files.
absl::Status WriteCheckpointFrame(const RandomShape& shape,
                                  const std::string& directory);

// Writes the whole directory (made if absent). Matrices are bf16 with a
// deviation of 1 / sqrt(inputs), norms are near 1, position tables are the
// sin-cos tables, the autoencoder is float32. The same seed gives the same
// bytes.
absl::Status WriteRandomCheckpoint(const RandomShape& shape, uint64_t seed,
                                   const std::string& directory);

// Tensors of the network and the autoencoder, as WriteRandomCheckpoint writes
// them; exposed for tests.
int64_t ParameterCount(const RandomShape& shape);

}  // namespace cooper::checkpoint

#endif  // COOPER_TESTS_TOOLS_RANDOM_CHECKPOINT_H_
