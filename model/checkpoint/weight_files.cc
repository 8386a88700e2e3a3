#include "model/checkpoint/weight_files.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "model/checkpoint/path_hints.h"
#include "model/checkpoint/shard_index.h"

namespace cooper::checkpoint {
namespace {

constexpr char kWhatIsLookedFor[] =
    "model.safetensors, ema.safetensors, or an index (*.index.json) of one";

bool IsIndex(absl::string_view name) {
  return absl::EndsWith(name, ".index.json");
}

// A fine-tune's own directory holds none of the files that stay BAGEL's.
absl::StatusOr<bool> OnlyWeights(const std::string& directory) {
  for (const char* name :
       {"llm_config.json", "vit_config.json", kAutoencoderFile}) {
    COOPER_ASSIGN_OR_RETURN(const bool there,
                            FileIsThere(JoinPath(directory, name)));
    if (there) return false;
  }
  return true;
}

absl::StatusOr<Directories> ByPrecedence(const Directories& directories) {
  Directories first;
  Directories rest;
  for (auto it = directories.rbegin(); it != directories.rend(); ++it) {
    COOPER_ASSIGN_OR_RETURN(const bool only_weights, OnlyWeights(*it));
    (only_weights ? first : rest).push_back(*it);
  }
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

absl::StatusOr<WeightFiles> OpenSet(const std::string& directory,
                                    const std::string& name) {
  if (!IsIndex(name)) {
    COOPER_ASSIGN_OR_RETURN(auto file,
                            SafetensorsFile::Open(JoinPath(directory, name)));
    return WeightFiles{std::move(file)};
  }
  return OpenShards(directory, name);
}

// The files of a directory that look like weights which are not read.
std::optional<std::string> ForeignWeights(const std::string& directory) {
  std::vector<std::string> adapters;
  std::vector<std::string> others;
  for (const std::string& name : NamesIn(directory)) {
    const bool safetensors = absl::EndsWith(name, ".safetensors");
    if (absl::StartsWith(name, "adapter_")) {
      adapters.push_back(base::Printable(name));
    } else if ((safetensors && name != kAutoencoderFile) ||
               absl::EndsWith(name, ".bin") || absl::EndsWith(name, ".pt") ||
               absl::EndsWith(name, ".pth") || absl::EndsWith(name, ".ckpt") ||
               absl::EndsWith(name, ".gguf")) {
      others.push_back(base::Printable(name));
    }
  }
  if (!adapters.empty()) {
    return absl::StrCat("holds an adapter (", absl::StrJoin(adapters, ", "),
                        "), which must be merged into the weights first");
  }
  if (others.empty()) return std::nullopt;
  const size_t shown = std::min<size_t>(others.size(), 3);
  return absl::StrCat(
      "holds ",
      absl::StrJoin(others.begin(),
                    others.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
      others.size() > shown ? ", ..." : "", ", but not ", kWhatIsLookedFor);
}

class Opener {
 public:
  Opener(const Directories& directories, Directories by_precedence,
         std::vector<std::string> notes)
      : given_(directories), directories_(std::move(by_precedence)) {
    weights_.notes = std::move(notes);
  }

  absl::StatusOr<OpenedWeights> Open() {
    for (const std::string& directory : directories_) {
      COOPER_RETURN_IF_ERROR(OpenNetwork(directory));
    }
    if (weights_.network.empty()) {
      return NotFoundIn(kWhatIsLookedFor,
                        {std::begin(kNetworkFiles), std::end(kNetworkFiles)},
                        given_);
    }
    for (const std::string& directory : directories_) {
      const std::string path = JoinPath(directory, kAutoencoderFile);
      COOPER_ASSIGN_OR_RETURN(const bool there, FileIsThere(path));
      if (!there) continue;
      COOPER_ASSIGN_OR_RETURN(auto file, SafetensorsFile::Open(path));
      weights_.autoencoder.push_back(std::move(file));
    }
    if (weights_.autoencoder.empty()) {
      return NotFoundIn(kAutoencoderFile, {kAutoencoderFile}, given_);
    }
    return std::move(weights_);
  }

 private:
  absl::Status OpenNetwork(const std::string& directory) {
    std::string taken;
    std::vector<std::string> passed_over;
    absl::Status no_shards;
    for (const char* name : kNetworkFiles) {
      const std::string path = JoinPath(directory, name);
      COOPER_ASSIGN_OR_RETURN(const bool there, FileIsThere(path));
      if (!there) continue;
      if (!taken.empty()) {
        passed_over.emplace_back(name);
        continue;
      }
      if (IsIndex(name)) {
        const absl::StatusOr<IndexKind> kind = KindOfIndex(directory, name);
        if (absl::IsNotFound(kind.status())) {
          if (no_shards.ok()) no_shards = kind.status();
          continue;
        }
        COOPER_RETURN_IF_ERROR(kind.status());
        if (*kind == IndexKind::kOfPlainFile) continue;
      }
      COOPER_ASSIGN_OR_RETURN(WeightFiles files, OpenSet(directory, name));
      std::move(files.begin(), files.end(),
                std::back_inserter(weights_.network));
      taken = name;
    }
    if (taken.empty()) {
      COOPER_RETURN_IF_ERROR(CheckNothingIsReplaced(directory, no_shards));
      if (given_.size() > 1 && directory == given_.back()) {
        weights_.notes.push_back(
            absl::StrCat(directory,
                         ": holds no weights of the network; all "
                         "come from the base"));
      }
    }
    if (!no_shards.ok()) weights_.notes.emplace_back(no_shards.message());
    if (!passed_over.empty()) {
      weights_.notes.push_back(
          absl::StrCat(directory, ": ", taken, " is taken, not ",
                       absl::StrJoin(passed_over, " or "),
                       " (model goes before ema, and a file before an index)"));
    }
    return absl::OkStatus();
  }

  // Weights that cannot be read must not be replaced by another directory's
  // without a word.
  absl::Status CheckNothingIsReplaced(const std::string& directory,
                                      const absl::Status& no_shards) const {
    if (!weights_.network.empty()) return absl::OkStatus();
    COOPER_RETURN_IF_ERROR(no_shards);
    const std::string unfinished = UnfinishedDownload(directory);
    if (!unfinished.empty()) {
      return absl::NotFoundError(absl::StrCat(
          directory,
          ": holds no weights yet; a download is not complete: ", unfinished));
    }
    const auto foreign = ForeignWeights(directory);
    if (!foreign) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(directory, ": ", *foreign));
  }

  const Directories& given_;
  const Directories directories_;
  OpenedWeights weights_;
};

}  // namespace

absl::StatusOr<OpenedWeights> OpenWeights(const Directories& directories) {
  COOPER_ASSIGN_OR_RETURN(Directories by_precedence, ByPrecedence(directories));
  std::vector<std::string> notes;
  if (by_precedence.front() != directories.back()) {
    notes.push_back(absl::StrCat(
        by_precedence.front(),
        ": holds only weights, so it is taken for the fine-tune, though ",
        directories.back(), " stands last"));
  }
  return Opener(directories, std::move(by_precedence), std::move(notes)).Open();
}

}  // namespace cooper::checkpoint
