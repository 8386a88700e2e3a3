#ifndef COOPER_MODEL_CHECKPOINT_CHECKPOINT_H_
#define COOPER_MODEL_CHECKPOINT_CHECKPOINT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint/config.h"
#include "model/checkpoint/safetensors.h"

namespace cooper::checkpoint {

// A checkpoint on disk, from one directory or from two (BAGEL's configs,
// autoencoder and tokenizer; the fine-tune's weights): configs parsed, weight
// files mapped, not copied.
//
// Weights are `ema.safetensors` or `model.safetensors` (or their
// `*.safetensors.index.json` with shards); where several are there, a
// directory that holds nothing but weights goes first, and `model` before
// `ema`. Shard names must be plain file names in the same directory (no path,
// no symbolic link out of it).
//
// Immutable after Open, thread-safe. Errors: NOT_FOUND (which file was looked
// for, where), INVALID_ARGUMENT (config), DATA_LOSS (weights).
class Checkpoint {
 public:
  static absl::StatusOr<std::unique_ptr<const Checkpoint>> Open(
      const std::vector<std::string>& directories);

  const LlmConfig& llm() const { return llm_; }
  const VitConfig& vit() const { return vit_; }
  const CooperConfig& cooper() const { return cooper_; }
  // Tensors of ema/model.safetensors and of ae.safetensors; null: absent.
  const TensorView* FindNetwork(const std::string& name) const;
  const TensorView* FindAutoencoder(const std::string& name) const;
  // Directory that holds vocab.json and merges.txt, or tokenizer.json.
  const std::string& tokenizer_dir() const { return tokenizer_dir_; }

 private:
  Checkpoint() = default;

  LlmConfig llm_;
  VitConfig vit_;
  CooperConfig cooper_;
  std::string tokenizer_dir_;
  std::vector<std::shared_ptr<const SafetensorsFile>> network_;
  std::shared_ptr<const SafetensorsFile> autoencoder_;
};

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_CHECKPOINT_H_
