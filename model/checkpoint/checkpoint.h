#ifndef COOPER_MODEL_CHECKPOINT_CHECKPOINT_H_
#define COOPER_MODEL_CHECKPOINT_CHECKPOINT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint/config.h"
#include "model/checkpoint/safetensors.h"

namespace cooper::checkpoint {

// A checkpoint on disk, from one directory or from two (BAGEL's configs,
// autoencoder and tokenizer; the fine-tune's weights): configs parsed, weight
// files open and their headers checked.
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
  // kNone: no weight file is looked for or opened, and no tensor is found.
  enum class Weights { kOpen, kNone };
  static absl::StatusOr<std::unique_ptr<const Checkpoint>> Open(
      const std::vector<std::string>& directories,
      Weights weights = Weights::kOpen);

  const LlmConfig& llm() const { return llm_; }
  const VitConfig& vit() const { return vit_; }
  const CooperConfig& cooper() const { return cooper_; }
  // Tensors of ema/model.safetensors and of ae.safetensors; null: absent.
  const StoredTensor* FindNetwork(const std::string& name) const;
  const StoredTensor* FindAutoencoder(const std::string& name) const;
  // Reads bytes of a tensor; as SafetensorsFile::Read. NOT_FOUND: absent.
  absl::Status ReadNetwork(const std::string& name, size_t begin, size_t bytes,
                           void* destination) const;
  absl::Status ReadAutoencoder(const std::string& name, size_t begin,
                               size_t bytes, void* destination) const;
  // Directory that holds vocab.json and merges.txt, or tokenizer.json.
  const std::string& tokenizer_dir() const { return tokenizer_dir_; }

 private:
  using Files = std::vector<std::shared_ptr<const SafetensorsFile>>;

  Checkpoint() = default;
  static const StoredTensor* Find(const Files& files, const std::string& name);
  static absl::Status Read(const Files& files, const std::string& name,
                           size_t begin, size_t bytes, void* destination);

  LlmConfig llm_;
  VitConfig vit_;
  CooperConfig cooper_;
  std::string tokenizer_dir_;
  Files network_;
  Files autoencoder_;  // one
};

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_CHECKPOINT_H_
