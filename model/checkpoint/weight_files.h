#ifndef COOPER_MODEL_CHECKPOINT_WEIGHT_FILES_H_
#define COOPER_MODEL_CHECKPOINT_WEIGHT_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint/file_lookup.h"
#include "model/checkpoint/tensor_set.h"

namespace cooper::checkpoint {

// The weight files of a checkpoint, open. The first file that has a tensor
// gives it.
struct OpenedWeights {
  WeightFiles network;
  WeightFiles autoencoder;
  // What was chosen and why, for the log; one line each.
  std::vector<std::string> notes;
};

// Opens, of each directory, `model.safetensors`, else its index with shards,
// else the same of `ema`; and `ae.safetensors`. An index without any of its
// shards counts as absent where other weights are there, and so does one that
// names only model.safetensors or ema.safetensors (KindOfIndex). The last
// directory goes first, but one that holds nothing but the network's weights
// goes before the others wherever it stands.
//
// Errors: NOT_FOUND: what was looked for and where, or a fine-tune whose
// download is not complete; INVALID_ARGUMENT: weights
// in a form that is not read (an adapter, PyTorch's files) where those of
// another directory would be served in their place; OpenShards' and
// SafetensorsFile::Open's.
absl::StatusOr<OpenedWeights> OpenWeights(const Directories& directories);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_WEIGHT_FILES_H_
