#include "model/checkpoint/path_hints.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/logging.h"

namespace cooper::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxPathBytes = 4096;
// Below HF_HOME a file lies in hub/models--OWNER--NAME/snapshots/REVISION.
constexpr int kMaxDepth = 4;
constexpr int kMaxEntries = 10000;  // looked at for a hint
constexpr size_t kShown = 2;        // folders in a hint

// What downloading tools append to the name of a file that is not complete.
constexpr absl::string_view kUnfinished[] = {
    ".incomplete", ".part", ".partial", ".aria2", ".crdownload", ".download"};

bool IsDirectory(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string Shown(const fs::path& path) {
  return base::Printable(path.lexically_normal().string(), kMaxPathBytes);
}

// "OWNER/NAME", as repositories on the hub are called.
bool LooksLikeHubName(absl::string_view path) {
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  return parts.size() == 2 &&
         std::all_of(parts.begin(), parts.end(), [](absl::string_view part) {
           return !part.empty() &&
                  absl::ascii_isalnum(static_cast<unsigned char>(part[0])) &&
                  std::all_of(part.begin(), part.end(), [](char c) {
                    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                           c == '-' || c == '_' || c == '.';
                  });
         });
}

// As a fine-tune's own directory: none of the files that stay the base's.
bool HoldsOnlyWeights(const fs::path& directory) {
  for (const char* name :
       {"llm_config.json", "vit_config.json", kAutoencoderFile}) {
    if (Exists(directory / name)) return false;
  }
  return std::any_of(
      std::begin(kNetworkFiles), std::end(kNetworkFiles),
      [&](const char* name) { return Exists(directory / name); });
}

// Folders below `directory` that have a file of one of `names`, sorted.
std::vector<std::string> FoldersBelow(
    const fs::path& directory, const std::vector<absl::string_view>& names) {
  std::vector<std::string> folders;
  std::error_code error;
  int entries = 0;
  for (fs::recursive_directory_iterator
           it(directory, fs::directory_options::skip_permission_denied, error),
       end;
       !error && it != end && ++entries < kMaxEntries; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const bool hidden = absl::StartsWith(name, ".");
    if (hidden || it.depth() >= kMaxDepth) it.disable_recursion_pending();
    if (it.depth() > 0 &&
        std::find(names.begin(), names.end(), name) != names.end()) {
      folders.push_back(Shown(it->path().parent_path()));
    }
  }
  std::sort(folders.begin(), folders.end());
  folders.erase(std::unique(folders.begin(), folders.end()), folders.end());
  return folders;
}

}  // namespace

std::string HintForPath(const std::string& path) {
  if (absl::StrContains(path, "://")) {
    return "; this is a URL, and only directories on this machine are read";
  }
  if (absl::StartsWith(path, "~")) {
    return "; the shell expands ~ only at the start of an argument of its own: "
           "write $HOME or the full path";
  }
  if (absl::StrContains(path, '$')) {
    return "; the shell did not expand the variable";
  }
  if (absl::StartsWith(path, "\"") || absl::StartsWith(path, "'")) {
    return "; the quotation marks are part of the path";
  }
  const size_t between = path.find_first_of(":; ");
  if (between != std::string::npos && IsDirectory(path.substr(0, between))) {
    return "; two directories are separated by a comma";
  }
  if (LooksLikeHubName(path)) {
    return absl::StrCat(
        "; if this is a repository on the Hugging Face hub, download it first "
        "(hf download ",
        path, " --local-dir DIR) and give that directory");
  }
  return "";
}

std::string UnfinishedDownload(const std::string& path) {
  const fs::path directory(path);
  const fs::path above = directory.lexically_normal() / "..";
  std::vector<fs::path> folders = {directory,
                                   directory / ".cache/huggingface/download"};
  if (IsDirectory(above / "../snapshots")) {
    folders.push_back(above / "../blobs");
  }
  for (const fs::path& folder : folders) {
    for (const std::string& name : NamesIn(folder.string())) {
      for (const absl::string_view ending : kUnfinished) {
        if (absl::EndsWith(name, ending)) return Shown(folder / name);
      }
    }
  }
  return "";
}

std::string HintForMissing(const std::vector<absl::string_view>& names,
                           const Directories& directories) {
  for (const std::string& directory : directories) {
    std::vector<std::string> folders = FoldersBelow(directory, names);
    if (folders.empty()) continue;
    const bool more = folders.size() > kShown;
    if (more) folders.resize(kShown);
    return absl::StrCat(", but in ", absl::StrJoin(folders, " and "),
                        more ? " and others" : "");
  }
  for (const std::string& directory : directories) {
    const std::string unfinished = UnfinishedDownload(directory);
    if (unfinished.empty()) continue;
    return absl::StrCat("; a download is not complete: ", unfinished);
  }
  if (directories.size() == 1 && HoldsOnlyWeights(directories.front())) {
    return absl::StrCat(
        "; it holds weights alone, as a fine-tune does: give its base too, "
        "--checkpoint=BASE,",
        Shown(directories.front()));
  }
  return "";
}

std::string RevisionInCache(const std::string& path) {
  for (const fs::path& cache : {fs::path(path), fs::path(path) / ".."}) {
    if (!IsDirectory(cache / "snapshots") || !IsDirectory(cache / "blobs")) {
      continue;
    }
    std::string revision;
    std::ifstream(cache / "refs" / "main") >> revision;
    if (revision.empty()) {
      const std::vector<std::string> revisions =
          NamesIn((cache / "snapshots").string());
      revision = revisions.size() == 1 ? revisions.front() : "REVISION";
    }
    return Shown(cache / "snapshots" / revision);
  }
  return "";
}

}  // namespace cooper::checkpoint
