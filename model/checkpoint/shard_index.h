#ifndef COOPER_MODEL_CHECKPOINT_SHARD_INDEX_H_
#define COOPER_MODEL_CHECKPOINT_SHARD_INDEX_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint/safetensors.h"

namespace cooper::checkpoint {

// Opens the shards that `directory`/`index_name` (*.safetensors.index.json)
// names and checks that each tensor is where its weight_map says, and in no
// other shard. Errors: NOT_FOUND: a shard is missing; INVALID_ARGUMENT: the
// index, or a shard name that leaves the directory; DATA_LOSS: a shard.
absl::StatusOr<std::vector<std::shared_ptr<const SafetensorsFile>>> OpenShards(
    const std::string& directory, const std::string& index_name);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_SHARD_INDEX_H_
