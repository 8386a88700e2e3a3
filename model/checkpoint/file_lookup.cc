#include "model/checkpoint/file_lookup.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "model/checkpoint/path_hints.h"

namespace cooper::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxLinks = 40;  // as Linux follows
constexpr size_t kMaxPathBytes = 4096;
constexpr size_t kZeros = 16;  // more of them are no beginning of any file

// Where the chain of links that begins at `path` breaks off.
fs::path EndOfLinks(fs::path path) {
  for (int i = 0; i < kMaxLinks; ++i) {
    std::error_code error;
    const fs::path target = fs::read_symlink(path, error);
    if (error) break;
    path = target.is_absolute() ? target : path.parent_path() / target;
  }
  return path.lexically_normal();
}

absl::Status Dangling(const std::string& path) {
  return absl::NotFoundError(absl::StrCat(
      base::Printable(path, kMaxPathBytes), ": a symbolic link to ",
      base::Printable(EndOfLinks(path).string(), kMaxPathBytes),
      ", which does not exist"));
}

}  // namespace

std::string JoinPath(absl::string_view directory, absl::string_view name) {
  return absl::StrCat(absl::StripSuffix(directory, "/"), "/", name);
}

absl::string_view FileName(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

absl::Status CheckDirectory(const std::string& path) {
  const std::string shown = base::Printable(path, kMaxPathBytes);
  struct stat info;
  if (::stat(path.c_str(), &info) == 0) {
    if (!S_ISDIR(info.st_mode)) {
      return absl::InvalidArgumentError(absl::StrCat(
          shown, ": a file; the directory that holds it is needed"));
    }
    const std::string revision = RevisionInCache(path);
    if (!revision.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          shown,
          ": the cache folder of a hub repository; give the folder of a "
          "revision in it: ",
          revision));
    }
    return absl::OkStatus();
  }
  if (errno != ENOENT) return absl::ErrnoToStatus(errno, shown);
  if (::lstat(path.c_str(), &info) == 0) return Dangling(path);
  return absl::NotFoundError(
      absl::StrCat(shown, ": no such directory", HintForPath(path)));
}

absl::StatusOr<bool> FileIsThere(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0) {
    if (!S_ISDIR(info.st_mode)) return true;
    return absl::InvalidArgumentError(
        absl::StrCat(base::Printable(path, kMaxPathBytes),
                     ": a directory, where a file is expected"));
  }
  if (errno != ENOENT) {
    return absl::ErrnoToStatus(errno, base::Printable(path, kMaxPathBytes));
  }
  if (::lstat(path.c_str(), &info) == 0) return Dangling(path);
  return false;
}

absl::StatusOr<std::optional<std::string>> FindFile(
    const Directories& directories, absl::string_view name) {
  for (auto it = directories.rbegin(); it != directories.rend(); ++it) {
    std::string path = JoinPath(*it, name);
    COOPER_ASSIGN_OR_RETURN(const bool there, FileIsThere(path));
    if (there) return path;
  }
  return std::nullopt;
}

absl::StatusOr<std::string> FindVocabulary(const Directories& directories) {
  for (auto it = directories.rbegin(); it != directories.rend(); ++it) {
    const auto has = [&](const char* name) {
      return FileIsThere(JoinPath(*it, name));
    };
    COOPER_ASSIGN_OR_RETURN(const bool vocabulary, has("vocab.json"));
    COOPER_ASSIGN_OR_RETURN(const bool merges, has("merges.txt"));
    COOPER_ASSIGN_OR_RETURN(const bool fast, has("tokenizer.json"));
    if ((vocabulary && merges) || fast) return *it;
    if (vocabulary || merges) {
      const char* const missing = vocabulary ? "merges.txt" : "vocab.json";
      const char* const other = vocabulary ? "vocab.json" : "merges.txt";
      return NotFoundIn(absl::StrCat(JoinPath(*it, missing),
                                     ", which belongs beside ", other),
                        {missing}, directories);
    }
  }
  return NotFoundIn("vocab.json and merges.txt, or tokenizer.json",
                    {"vocab.json", "tokenizer.json"}, directories);
}

absl::Status NotFoundIn(absl::string_view what,
                        const std::vector<absl::string_view>& names,
                        const Directories& directories) {
  return absl::NotFoundError(absl::StrCat(what, ": not found in ",
                                          absl::StrJoin(directories, ", "),
                                          HintForMissing(names, directories)));
}

std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<std::string> ForeignContent(absl::string_view start) {
  if (absl::StartsWith(start, "version https://git-lfs")) {
    std::string size;
    for (absl::string_view line : absl::StrSplit(start, '\n')) {
      int64_t bytes = 0;
      if (absl::ConsumePrefix(&line, "size ") &&
          absl::SimpleAtoi(line, &bytes)) {
        size = absl::StrCat(" of ", bytes, " bytes");
      }
    }
    return absl::StrCat("a Git LFS pointer in place of the file", size,
                        "; fetch it with \"git lfs pull\" or \"hf download\"");
  }
  const std::string text = absl::AsciiStrToLower(
      absl::StripLeadingAsciiWhitespace(start.substr(0, 64)));
  if (absl::StartsWith(text, "<!doctype html") ||
      absl::StartsWith(text, "<html")) {
    return "a web page in place of the file; download it again";
  }
  if (absl::StartsWith(start, "PK\x03\x04") ||
      absl::StartsWith(start, "\x80\x02")) {
    return "a PyTorch file; only safetensors are read";
  }
  if (start.size() > kZeros && start.find_first_not_of('\0') == start.npos) {
    return "nothing but zeros where its content should begin; its download is "
           "not complete";
  }
  if (absl::StartsWith(start, "GGUF")) {
    return "a GGUF file; only safetensors are read";
  }
  return std::nullopt;
}

}  // namespace cooper::checkpoint
