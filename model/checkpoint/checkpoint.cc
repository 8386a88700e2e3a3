#include "model/checkpoint/checkpoint.h"

#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/checkpoint/json_fields.h"
#include "model/checkpoint/json_file.h"
#include "model/checkpoint/path_hints.h"
#include "model/checkpoint/weight_files.h"

namespace cooper::checkpoint {
namespace {

// What a directory may give.
constexpr const char* kFilesOfACheckpoint[] = {"llm_config.json",
                                               "vit_config.json",
                                               "cooper_config.json",
                                               "vocab.json",
                                               "merges.txt",
                                               "tokenizer.json",
                                               "tokenizer_config.json",
                                               "added_tokens.json",
                                               "model.safetensors",
                                               "model.safetensors.index.json",
                                               "ema.safetensors",
                                               "ema.safetensors.index.json",
                                               "ae.safetensors"};

// Leaves `config` as it is if no directory has an optional file.
template <typename Config>
absl::Status LoadConfig(const Directories& directories, const char* name,
                        absl::StatusOr<Config> (*parse)(const std::string&,
                                                        const std::string&),
                        Presence presence, Config* config) {
  COOPER_ASSIGN_OR_RETURN(const std::optional<std::string> path,
                          FindFile(directories, name));
  if (!path) {
    return presence == Presence::kOptional
               ? absl::OkStatus()
               : NotFoundIn(name, {name}, directories);
  }
  COOPER_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(*path));
  COOPER_ASSIGN_OR_RETURN(*config, parse(text, *path));
  return absl::OkStatus();
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
    const Directories& directories, Weights weights) {
  if (directories.empty()) {
    return absl::InvalidArgumentError("checkpoint: no directory given");
  }
  for (const std::string& directory : directories) {
    COOPER_RETURN_IF_ERROR(CheckDirectory(directory));
  }
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint());
  checkpoint->directories_ = directories;
  COOPER_RETURN_IF_ERROR(checkpoint->OpenConfigs());
  if (weights == Weights::kOpen) {
    COOPER_RETURN_IF_ERROR(checkpoint->OpenWeightFiles());
  }
  COOPER_RETURN_IF_ERROR(checkpoint->CheckEachCounts());
  return checkpoint;
}

absl::Status Checkpoint::OpenConfigs() {
  COOPER_RETURN_IF_ERROR(LoadConfig(directories_, "llm_config.json",
                                    ParseLlmConfig, Presence::kRequired,
                                    &llm_));
  COOPER_RETURN_IF_ERROR(LoadConfig(directories_, "vit_config.json",
                                    ParseVitConfig, Presence::kRequired,
                                    &vit_));
  COOPER_RETURN_IF_ERROR(LoadConfig(directories_, "cooper_config.json",
                                    ParseCooperConfig, Presence::kOptional,
                                    &cooper_));
  COOPER_RETURN_IF_ERROR(base::Annotate(CheckTogether(llm_, vit_, cooper_),
                                        absl::StrJoin(directories_, ", ")));
  COOPER_ASSIGN_OR_RETURN(tokenizer_dir_, FindVocabulary(directories_));
  return absl::OkStatus();
}

absl::Status Checkpoint::OpenWeightFiles() {
  COOPER_ASSIGN_OR_RETURN(OpenedWeights opened, OpenWeights(directories_));
  network_ = TensorSet(std::move(opened.network));
  autoencoder_ = TensorSet(std::move(opened.autoencoder));
  report_.notes = std::move(opened.notes);
  fit_ = FitNetwork(llm_, vit_, cooper_, &network_, &report_);
  if (fit_.ok()) fit_ = FitAutoencoder(cooper_, autoencoder_, &report_);
  return absl::OkStatus();
}

absl::Status Checkpoint::CheckEachCounts() const {
  if (directories_.size() == 1) return absl::OkStatus();
  for (const std::string& directory : directories_) {
    bool any = false;
    for (const char* name : kFilesOfACheckpoint) {
      COOPER_ASSIGN_OR_RETURN(const bool there,
                              FileIsThere(JoinPath(directory, name)));
      any |= there;
    }
    if (!any) {
      return absl::NotFoundError(absl::StrCat(
          directory, ": holds no file of a checkpoint",
          HintForMissing({std::begin(kNetworkFiles), std::end(kNetworkFiles)},
                         {directory})));
    }
  }
  return absl::OkStatus();
}

WeightFiles Checkpoint::weight_files() const {
  WeightFiles files = network_.files();
  files.insert(files.end(), autoencoder_.files().begin(),
               autoencoder_.files().end());
  return files;
}

}  // namespace cooper::checkpoint
