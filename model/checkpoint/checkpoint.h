#ifndef COOPER_MODEL_CHECKPOINT_CHECKPOINT_H_
#define COOPER_MODEL_CHECKPOINT_CHECKPOINT_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint/config.h"
#include "model/checkpoint/file_lookup.h"
#include "model/checkpoint/safetensors.h"
#include "model/checkpoint/tensor_set.h"
#include "model/checkpoint/weight_fit.h"

namespace cooper::checkpoint {

// A checkpoint on disk, from one directory or from two (the base: BAGEL; the
// fine-tune): configs parsed, weight files open and their headers checked.
//
// Of two directories the second one's files win, name by name, and tensors that
// its weights lack come from the first one's. A directory that holds nothing
// but the network's weights wins wherever it stands.
//
// Weights are `model.safetensors` or `ema.safetensors` (or their
// `*.safetensors.index.json` with shards), `model` before `ema` in one
// directory; and `ae.safetensors`. Symbolic links are followed; shard names
// must be plain file names.
//
// Immutable after Open, thread-safe. Errors: NOT_FOUND (which file was looked
// for, where), INVALID_ARGUMENT (config), DATA_LOSS (weights), and what the
// system says of a path.
class Checkpoint {
 public:
  // kNone: no weight file is looked for or opened, and no tensor is found.
  enum class Weights { kOpen, kNone };
  static absl::StatusOr<std::unique_ptr<const Checkpoint>> Open(
      const Directories& directories, Weights weights = Weights::kOpen);

  const LlmConfig& llm() const { return llm_; }
  const VitConfig& vit() const { return vit_; }
  const CooperConfig& cooper() const { return cooper_; }
  // Whether the weights are those that the configuration asks for; as
  // FitNetwork. To be looked at before they are read.
  const absl::Status& fit() const { return fit_; }
  // Which files are read. What it says of the network is complete if fit() is
  // OK.
  const WeightReport& report() const { return report_; }
  // Every open weight file.
  WeightFiles weight_files() const;
  // Tensors of ema/model.safetensors and of ae.safetensors; null: absent.
  const StoredTensor* FindNetwork(const std::string& name) const {
    return network_.Find(name);
  }
  const StoredTensor* FindAutoencoder(const std::string& name) const {
    return autoencoder_.Find(name);
  }
  // Reads bytes of a tensor; as SafetensorsFile::Read. NOT_FOUND: absent.
  absl::Status ReadNetwork(const std::string& name, size_t begin, size_t bytes,
                           void* destination) const {
    return network_.Read(name, begin, bytes, destination);
  }
  absl::Status ReadAutoencoder(const std::string& name, size_t begin,
                               size_t bytes, void* destination) const {
    return autoencoder_.Read(name, begin, bytes, destination);
  }
  const Directories& directories() const { return directories_; }
  // Directory that holds vocab.json and merges.txt, or tokenizer.json.
  const std::string& tokenizer_dir() const { return tokenizer_dir_; }

 private:
  Checkpoint() = default;
  absl::Status OpenConfigs();
  absl::Status OpenWeightFiles();
  // With two directories, each must hold a file of a checkpoint.
  absl::Status CheckEachCounts() const;

  Directories directories_;
  LlmConfig llm_;
  VitConfig vit_;
  CooperConfig cooper_;
  std::string tokenizer_dir_;
  TensorSet network_;
  TensorSet autoencoder_;
  WeightReport report_;
  absl::Status fit_;
};

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_CHECKPOINT_H_
