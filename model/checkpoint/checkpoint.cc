#include "model/checkpoint/checkpoint.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/checkpoint/json_file.h"
#include "model/checkpoint/shard_index.h"
#include "server/base/status_macros.h"

namespace cooper::checkpoint {
namespace {

using Directories = std::vector<std::string>;
using Files = std::vector<std::shared_ptr<const SafetensorsFile>>;

std::string Join(const std::string& directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

absl::Status NotFound(absl::string_view what, const Directories& directories) {
  return absl::NotFoundError(
      absl::StrCat(what, ": not found in ", absl::StrJoin(directories, ", ")));
}

// Path of the first `name` in the directories' order.
std::optional<std::string> FindFile(const Directories& directories,
                                    absl::string_view name) {
  for (const std::string& directory : directories) {
    std::string path = Join(directory, name);
    if (FileExists(path)) return path;
  }
  return std::nullopt;
}

template <typename Config>
absl::Status LoadConfig(const Directories& directories, const char* name,
                        absl::StatusOr<Config> (*parse)(const std::string&,
                                                        const std::string&),
                        Config* config) {
  const std::optional<std::string> path = FindFile(directories, name);
  if (!path) return NotFound(name, directories);
  COOPER_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(*path));
  COOPER_ASSIGN_OR_RETURN(*config, parse(text, *path));
  return absl::OkStatus();
}

absl::StatusOr<std::string> FindTokenizer(const Directories& directories) {
  for (const std::string& directory : directories) {
    if ((FileExists(Join(directory, "vocab.json")) &&
         FileExists(Join(directory, "merges.txt"))) ||
        FileExists(Join(directory, "tokenizer.json"))) {
      return directory;
    }
  }
  return NotFound("vocab.json and merges.txt, or tokenizer.json", directories);
}

// A fine-tune's own directory holds none of the files that stay BAGEL's.
bool OnlyWeights(const std::string& directory) {
  return !FindFile({directory}, "llm_config.json") &&
         !FindFile({directory}, "vit_config.json") &&
         !FindFile({directory}, "ae.safetensors");
}

absl::StatusOr<Files> OpenNetwork(const Directories& directories) {
  Directories by_preference;
  for (const bool only_weights : {true, false}) {
    std::copy_if(directories.begin(), directories.end(),
                 std::back_inserter(by_preference),
                 [&](const std::string& directory) {
                   return OnlyWeights(directory) == only_weights;
                 });
  }
  for (const std::string& directory : by_preference) {
    for (const char* stem : {"model", "ema"}) {
      const std::string single = absl::StrCat(stem, ".safetensors");
      if (FileExists(Join(directory, single))) {
        COOPER_ASSIGN_OR_RETURN(auto file,
                                SafetensorsFile::Open(Join(directory, single)));
        return Files{std::move(file)};
      }
      const std::string index = absl::StrCat(single, ".index.json");
      if (FileExists(Join(directory, index))) {
        return OpenShards(directory, index);
      }
    }
  }
  return NotFound(
      "model.safetensors, ema.safetensors, or an index (*.index.json) of one",
      directories);
}

absl::Status Contradiction(absl::string_view key, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(key, ": ", what));
}

// What must fit between the three files.
absl::Status CheckTogether(const LlmConfig& llm, const VitConfig& vit,
                           const CooperConfig& cooper) {
  if (cooper.text_vocab_size > llm.vocab_size) {
    return Contradiction(
        "cooper_config.json: text_vocab_size",
        absl::StrCat("must not be above vocab_size of llm_config.json (",
                     cooper.text_vocab_size, " > ", llm.vocab_size, ")"));
  }
  if (cooper.special_tokens) {
    const model::SpecialTokens& special = *cooper.special_tokens;
    for (const model::TokenId id :
         {special.bos, special.eos, special.soi, special.eoi}) {
      if (id < llm.vocab_size) continue;
      return Contradiction(
          "cooper_config.json: special_tokens",
          absl::StrCat(id, " is not below vocab_size of llm_config.json (",
                       llm.vocab_size, ")"));
    }
  }
  if (cooper.vit_drop_last_layers >= vit.num_hidden_layers) {
    return Contradiction(
        "cooper_config.json: vit_drop_last_layers",
        absl::StrCat("must be below num_hidden_layers of vit_config.json (",
                     cooper.vit_drop_last_layers, ", ", vit.num_hidden_layers,
                     ")"));
  }
  const model::ImageRule& rule = cooper.vit_rule;
  if (rule.stride % vit.patch_size != 0) {
    return Contradiction(
        "cooper_config.json: vit_stride",
        absl::StrCat("must be a multiple of patch_size of vit_config.json (",
                     rule.stride, ", ", vit.patch_size, ")"));
  }
  const int side = cooper.vit_max_num_patch_per_side;
  if (side > vit.image_size / vit.patch_size) {
    return Contradiction(
        "cooper_config.json: vit_max_num_patch_per_side",
        absl::StrCat("must not be above image_size / patch_size of "
                     "vit_config.json (",
                     side, " > ", vit.image_size / vit.patch_size, ")"));
  }
  // The long edge is max_size rounded to a multiple of the stride.
  const int longest_px =
      (2 * rule.max_size + rule.stride - 1) / (2 * rule.stride) * rule.stride;
  if (longest_px / vit.patch_size > side) {
    return Contradiction(
        "cooper_config.json: vit_max_num_patch_per_side",
        absl::StrCat("must be at least ", longest_px / vit.patch_size,
                     " for vit_max_size ", rule.max_size, ", not ", side));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Checkpoint>> Checkpoint::Open(
    const std::vector<std::string>& directories, Weights weights) {
  if (directories.empty()) {
    return absl::InvalidArgumentError("checkpoint: no directory given");
  }
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint());
  COOPER_RETURN_IF_ERROR(LoadConfig(directories, "llm_config.json",
                                    ParseLlmConfig, &checkpoint->llm_));
  COOPER_RETURN_IF_ERROR(LoadConfig(directories, "vit_config.json",
                                    ParseVitConfig, &checkpoint->vit_));
  if (FindFile(directories, "cooper_config.json")) {
    COOPER_RETURN_IF_ERROR(LoadConfig(directories, "cooper_config.json",
                                      ParseCooperConfig, &checkpoint->cooper_));
  }
  COOPER_RETURN_IF_ERROR(base::Annotate(
      CheckTogether(checkpoint->llm_, checkpoint->vit_, checkpoint->cooper_),
      absl::StrJoin(directories, ", ")));
  COOPER_ASSIGN_OR_RETURN(checkpoint->tokenizer_dir_,
                          FindTokenizer(directories));
  if (weights == Weights::kNone) return checkpoint;
  COOPER_ASSIGN_OR_RETURN(checkpoint->network_, OpenNetwork(directories));
  const auto autoencoder = FindFile(directories, "ae.safetensors");
  if (!autoencoder) return NotFound("ae.safetensors", directories);
  COOPER_ASSIGN_OR_RETURN(auto autoencoder_file,
                          SafetensorsFile::Open(*autoencoder));
  checkpoint->autoencoder_.push_back(std::move(autoencoder_file));
  return checkpoint;
}

const StoredTensor* Checkpoint::Find(const Files& files,
                                     const std::string& name) {
  for (const auto& file : files) {
    if (const StoredTensor* tensor = file->Find(name)) return tensor;
  }
  return nullptr;
}

absl::Status Checkpoint::Read(const Files& files, const std::string& name,
                              size_t begin, size_t bytes, void* destination) {
  for (const auto& file : files) {
    if (const StoredTensor* tensor = file->Find(name)) {
      return file->Read(*tensor, begin, bytes, destination);
    }
  }
  return absl::NotFoundError(absl::StrCat("no tensor \"", name, "\""));
}

const StoredTensor* Checkpoint::FindNetwork(const std::string& name) const {
  return Find(network_, name);
}

const StoredTensor* Checkpoint::FindAutoencoder(const std::string& name) const {
  return Find(autoencoder_, name);
}

absl::Status Checkpoint::ReadNetwork(const std::string& name, size_t begin,
                                     size_t bytes, void* destination) const {
  return Read(network_, name, begin, bytes, destination);
}

absl::Status Checkpoint::ReadAutoencoder(const std::string& name, size_t begin,
                                         size_t bytes,
                                         void* destination) const {
  return Read(autoencoder_, name, begin, bytes, destination);
}

}  // namespace cooper::checkpoint
