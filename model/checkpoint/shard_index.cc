#include "model/checkpoint/shard_index.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "model/checkpoint/file_lookup.h"
#include "model/checkpoint/json_file.h"

namespace cooper::checkpoint {
namespace {

constexpr size_t kMaxShards = 4096;

using WeightMap = std::map<std::string, std::string>;  // tensor -> shard

absl::StatusOr<WeightMap> ReadWeightMap(const std::string& path) {
  COOPER_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  COOPER_ASSIGN_OR_RETURN(const nlohmann::json index,
                          ParseJsonObject(text, path));
  const auto found = index.find("weight_map");
  if (found == index.end() || !found->is_object() || found->empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": weight_map: must be an object from tensor to shard"));
  }
  WeightMap shards;
  for (const auto& [tensor, shard] : found->items()) {
    if (!shard.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": weight_map: \"",
                                                     base::Printable(tensor),
                                                     "\": must be a string"));
    }
    // Some indices name every file of the repository.
    if (shard == kAutoencoderFile) continue;
    shards[tensor] = shard.get<std::string>();
  }
  if (shards.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": weight_map: names no file but ", kAutoencoderFile));
  }
  return shards;
}

absl::Status CheckShardName(const std::string& shard) {
  if (shard.find('/') == std::string::npos &&
      shard.find('\0') == std::string::npos &&
      absl::EndsWith(shard, ".safetensors")) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("shard \"", base::Printable(shard),
                   "\": must be the name of a .safetensors file in the same "
                   "directory"));
}

// Shard names, checked.
absl::StatusOr<std::set<std::string>> ShardNames(const WeightMap& weight_map) {
  std::set<std::string> names;
  for (const auto& [tensor, shard] : weight_map) names.insert(shard);
  if (names.size() > kMaxShards) {
    return absl::InvalidArgumentError(
        absl::StrCat("weight_map: more than ", kMaxShards, " shards"));
  }
  for (const std::string& name : names) {
    COOPER_RETURN_IF_ERROR(CheckShardName(name));
  }
  return names;
}

// The shards of `names` that are not there; a dangling link is.
std::vector<std::string> MissingShards(const std::string& directory,
                                       const std::set<std::string>& names) {
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    const auto there = FileIsThere(JoinPath(directory, name));
    if (there.ok() && !*there) missing.push_back(name);
  }
  return missing;
}

absl::Status NamesMissing(const std::string& directory, size_t shards,
                          const std::vector<std::string>& missing) {
  const std::string& first = missing.front();
  const std::string others =
      missing.size() == 1
          ? ""
          : absl::StrCat(" and ", missing.size() - 1, " more of ", shards);
  return NotFoundIn(
      absl::StrCat("shard \"", base::Printable(first), "\"", others), {first},
      {directory});
}

}  // namespace

absl::StatusOr<std::vector<std::shared_ptr<const SafetensorsFile>>> OpenShards(
    const std::string& directory, const std::string& index_name) {
  const std::string path = JoinPath(directory, index_name);
  COOPER_ASSIGN_OR_RETURN(const WeightMap weight_map, ReadWeightMap(path));
  const absl::StatusOr<std::set<std::string>> names = ShardNames(weight_map);
  if (!names.ok()) return base::Annotate(names.status(), path);
  const std::vector<std::string> missing = MissingShards(directory, *names);
  if (!missing.empty()) {
    return base::Annotate(NamesMissing(directory, names->size(), missing),
                          path);
  }
  std::map<std::string, std::shared_ptr<const SafetensorsFile>> shards;
  std::map<std::string, const std::string*> owner;  // tensor -> shard
  for (const std::string& shard : *names) {
    const std::string shard_path = JoinPath(directory, shard);
    COOPER_RETURN_IF_ERROR(FileIsThere(shard_path).status());
    COOPER_ASSIGN_OR_RETURN(auto file, SafetensorsFile::Open(shard_path));
    shards[shard] = file;
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

absl::StatusOr<IndexKind> KindOfIndex(const std::string& directory,
                                      const std::string& index_name) {
  const std::string path = JoinPath(directory, index_name);
  COOPER_ASSIGN_OR_RETURN(const WeightMap weight_map, ReadWeightMap(path));
  const absl::StatusOr<std::set<std::string>> names = ShardNames(weight_map);
  if (!names.ok()) return base::Annotate(names.status(), path);
  const std::vector<std::string> missing = MissingShards(directory, *names);
  if (missing.size() == names->size()) {
    return base::Annotate(NamesMissing(directory, names->size(), missing),
                          path);
  }
  const bool plain =
      names->size() == 1 &&
      std::find(std::begin(kNetworkFiles), std::end(kNetworkFiles),
                *names->begin()) != std::end(kNetworkFiles);
  return plain ? IndexKind::kOfPlainFile : IndexKind::kOfShards;
}

}  // namespace cooper::checkpoint
