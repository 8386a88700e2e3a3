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
// other shard. An index comes with the weights, perhaps from a stranger: it may
// only name files beside it, which may be symbolic links (those were made on
// this machine). What it says of ae.safetensors is passed over. Errors:
// NOT_FOUND: a shard is missing; INVALID_ARGUMENT: the index, or a shard's name
// that is a path or does not end in .safetensors; DATA_LOSS: a shard.
absl::StatusOr<std::vector<std::shared_ptr<const SafetensorsFile>>> OpenShards(
    const std::string& directory, const std::string& index_name);

enum class IndexKind {
  kOfShards,
  // Names one file, model.safetensors or ema.safetensors, which is looked for
  // anyway and says itself what it holds: the public BAGEL has such an index
  // for other programs, and fine-tunes copy it.
  kOfPlainFile,
};

// NOT_FOUND: none of its shards is there (dangling links are). Other errors are
// the index's.
absl::StatusOr<IndexKind> KindOfIndex(const std::string& directory,
                                      const std::string& index_name);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_SHARD_INDEX_H_
