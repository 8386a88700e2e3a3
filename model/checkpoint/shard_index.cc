#include "model/checkpoint/shard_index.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/checkpoint/json_file.h"
#include "server/base/logging.h"
#include "server/base/status_macros.h"

namespace cooper::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxShards = 4096;

// Tensor name -> shard name.
absl::StatusOr<std::map<std::string, std::string>> ReadWeightMap(
    const std::string& path) {
  COOPER_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  COOPER_ASSIGN_OR_RETURN(const nlohmann::json index,
                          ParseJsonObject(text, path));
  const auto found = index.find("weight_map");
  if (found == index.end() || !found->is_object() || found->empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": weight_map: must be an object from tensor to shard"));
  }
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, shard] : found->items()) {
    if (!shard.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": weight_map: \"",
                                                     base::Printable(tensor),
                                                     "\": must be a string"));
    }
    shards[tensor] = shard.get<std::string>();
  }
  return shards;
}

// An index comes with the weights, perhaps from a stranger: it must not make
// us read a file elsewhere.
absl::Status CheckShardName(const std::string& directory,
                            const std::string& shard) {
  const std::string shown =
      absl::StrCat("shard \"", base::Printable(shard), "\"");
  if (shard.find('/') != std::string::npos ||
      shard.find('\0') != std::string::npos ||
      !absl::EndsWith(shard, ".safetensors")) {
    return absl::InvalidArgumentError(
        absl::StrCat(shown,
                     ": must be the name of a .safetensors file in the same "
                     "directory"));
  }
  std::error_code error;
  const fs::path real = fs::canonical(fs::path(directory) / shard, error);
  if (error) {
    return absl::ErrnoToStatus(error.value(),
                               absl::StrCat(shown, " in ", directory));
  }
  const fs::path home = fs::canonical(directory, error);
  if (error || real.parent_path() != home) {
    return absl::InvalidArgumentError(
        absl::StrCat(shown, ": a symbolic link out of ", directory));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::shared_ptr<const SafetensorsFile>>> OpenShards(
    const std::string& directory, const std::string& index_name) {
  const std::string path = absl::StrCat(directory, "/", index_name);
  using WeightMap = std::map<std::string, std::string>;
  COOPER_ASSIGN_OR_RETURN(const WeightMap weight_map, ReadWeightMap(path));
  std::map<std::string, std::shared_ptr<const SafetensorsFile>> shards;
  for (const auto& [tensor, shard] : weight_map) shards[shard];
  if (shards.size() > kMaxShards) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": weight_map: more than ", kMaxShards, " shards"));
  }
  std::map<std::string, const std::string*> owner;  // tensor -> shard
  for (auto& [shard, file] : shards) {
    COOPER_RETURN_IF_ERROR(
        base::Annotate(CheckShardName(directory, shard), path));
    COOPER_ASSIGN_OR_RETURN(
        file, SafetensorsFile::Open(absl::StrCat(directory, "/", shard)));
    for (const auto& [tensor, view] : file->tensors()) {
      const auto [where, fresh] = owner.emplace(tensor, &shard);
      if (!fresh) {
        return absl::DataLossError(
            absl::StrCat(path, ": tensor \"", base::Printable(tensor),
                         "\" is in ", *where->second, " and in ", shard));
      }
    }
  }
  for (const auto& [tensor, shard] : weight_map) {
    if (shards[shard]->Find(tensor) == nullptr) {
      return absl::DataLossError(absl::StrCat(path, ": tensor \"",
                                              base::Printable(tensor),
                                              "\" is not in ", shard));
    }
  }
  std::vector<std::shared_ptr<const SafetensorsFile>> files;
  files.reserve(shards.size());
  for (auto& [shard, file] : shards) files.push_back(std::move(file));
  return files;
}

}  // namespace cooper::checkpoint
