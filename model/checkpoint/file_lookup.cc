#include "model/checkpoint/file_lookup.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/base/logging.h"
#include "server/base/status_macros.h"

namespace cooper::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxLinks = 40;  // as Linux follows
constexpr size_t kMaxPathBytes = 4096;

bool IsDirectory(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

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

// What may be meant by a path that does not exist.
std::string HintFor(const std::string& path) {
  if (absl::StrContains(path, "://")) {
    return "; this is a URL, and only directories on this machine are read";
  }
  if (path[0] == '~') {
    return "; the shell expands ~ only at the start of an argument of its own: "
           "write $HOME or the full path";
  }
  if (LooksLikeHubName(path)) {
    return absl::StrCat(
        "; if this is a repository on the Hugging Face hub, download it first "
        "(hf download ",
        path, " --local-dir DIR) and give that directory");
  }
  return "";
}

// The folder of a revision in the hub's cache folder of a repository.
std::string RevisionIn(const fs::path& cache) {
  std::string revision;
  std::ifstream(cache / "refs" / "main") >> revision;
  if (revision.empty()) {
    const std::vector<std::string> revisions = NamesIn(cache / "snapshots");
    revision = revisions.size() == 1 ? revisions.front() : "REVISION";
  }
  return base::Printable((cache / "snapshots" / revision).string(),
                         kMaxPathBytes);
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
    if (IsDirectory(path + "/snapshots") && IsDirectory(path + "/blobs")) {
      return absl::InvalidArgumentError(absl::StrCat(
          shown,
          ": the cache folder of a hub repository; give the folder of a "
          "revision in it: ",
          RevisionIn(path)));
    }
    return absl::OkStatus();
  }
  if (errno != ENOENT) return absl::ErrnoToStatus(errno, shown);
  if (::lstat(path.c_str(), &info) == 0) return Dangling(path);
  return absl::NotFoundError(
      absl::StrCat(shown, ": no such directory", HintFor(path)));
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
                        directories);
    }
  }
  return NotFoundIn("vocab.json and merges.txt, or tokenizer.json",
                    directories);
}

absl::Status NotFoundIn(absl::string_view what,
                        const Directories& directories) {
  return absl::NotFoundError(
      absl::StrCat(what, ": not found in ", absl::StrJoin(directories, ", ")));
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
  if (absl::StartsWith(start, "GGUF")) {
    return "a GGUF file; only safetensors are read";
  }
  return std::nullopt;
}

}  // namespace cooper::checkpoint
