#include "model/checkpoint/checksums.h"

#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "model/checkpoint/file_lookup.h"
#include "model/checkpoint/json_file.h"

namespace cooper::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr char kSums[] = "SHA256SUMS";
constexpr int kMaxLinks = 40;  // as Linux follows

std::optional<base::Digest> DigestOf(absl::string_view hex) {
  base::Digest digest;
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (const char c : hex) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
      return std::nullopt;
    }
  }
  const std::string bytes = absl::HexStringToBytes(hex);
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

struct Sum {
  absl::string_view name;
  base::Digest digest;
};

// "HEX  NAME", "HEX *NAME" or "SHA256 (NAME) = HEX".
std::optional<Sum> ParseSum(absl::string_view line) {
  absl::string_view hex = line.substr(0, 64);
  absl::string_view name = line.substr(hex.size());
  if (absl::ConsumePrefix(&line, "SHA256 (")) {
    const size_t end = line.rfind(") = ");
    if (end == absl::string_view::npos) return std::nullopt;
    name = line.substr(0, end);
    hex = line.substr(end + 4);
  } else if (!absl::ConsumePrefix(&name, "  ") &&
             !absl::ConsumePrefix(&name, " *")) {
    return std::nullopt;
  }
  const auto digest = DigestOf(hex);
  if (!digest || name.empty()) return std::nullopt;
  absl::ConsumePrefix(&name, "./");
  return Sum{name, *digest};
}

// The blob that `path` leads to, where its name is a digest.
std::optional<ExpectedDigest> DigestOfBlob(fs::path path) {
  for (int i = 0; i < kMaxLinks; ++i) {
    std::error_code error;
    const fs::path target = fs::read_symlink(path, error);
    if (error) break;
    path = target.is_absolute() ? target : path.parent_path() / target;
    if (const auto digest = DigestOf(path.filename().string())) {
      return ExpectedDigest{*digest, "the name of its blob"};
    }
  }
  return std::nullopt;
}

// What `hf download --local-dir` keeps of a file: its commit, its digest (for
// large files) and a time, a line each.
absl::StatusOr<std::optional<ExpectedDigest>> DigestOfDownload(
    const std::string& directory, absl::string_view name) {
  const std::string path = absl::StrCat(
      directory, "/.cache/huggingface/download/", name, ".metadata");
  COOPER_ASSIGN_OR_RETURN(const bool there, FileIsThere(path));
  if (!there) return std::nullopt;
  COOPER_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  const auto digest = lines.size() > 1 ? DigestOf(lines[1]) : std::nullopt;
  if (!digest) return std::nullopt;
  return ExpectedDigest{*digest, path};
}

}  // namespace

absl::StatusOr<std::map<std::string, base::Digest>> ParseSha256Sums(
    const std::string& text) {
  std::map<std::string, base::Digest> sums;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripSuffix(line, "\r");
    if (line.empty()) continue;
    const std::optional<Sum> sum = ParseSum(line);
    if (!sum) {
      return absl::InvalidArgumentError(absl::StrCat(
          "line ", number, ": must be a SHA-256 and a name, not \"",
          base::Printable(line), "\""));
    }
    if (sum->name.find('/') != absl::string_view::npos) continue;
    const auto [where, fresh] =
        sums.emplace(std::string(sum->name), sum->digest);
    if (!fresh && where->second != sum->digest) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": another SHA-256 of \"",
                       base::Printable(sum->name), "\" stands before"));
    }
  }
  return sums;
}

absl::StatusOr<ExpectedDigest> FindExpectedDigest(const std::string& path) {
  const absl::string_view name = FileName(path);
  const std::string directory = path.substr(0, path.size() - name.size() - 1);
  const std::string sums_path = JoinPath(directory, kSums);
  COOPER_ASSIGN_OR_RETURN(const bool sums_are_there, FileIsThere(sums_path));
  if (sums_are_there) {
    COOPER_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(sums_path));
    const auto sums = ParseSha256Sums(text);
    if (!sums.ok()) return base::Annotate(sums.status(), sums_path);
    const auto found = sums->find(std::string(name));
    if (found != sums->end()) return ExpectedDigest{found->second, sums_path};
  }
  if (const auto blob = DigestOfBlob(path)) return *blob;
  COOPER_ASSIGN_OR_RETURN(const auto download,
                          DigestOfDownload(directory, name));
  if (download) return *download;
  return absl::NotFoundError(absl::StrCat(
      path, ": no checksum: ", sums_path,
      sums_are_there ? " does not list it" : " is not there",
      ", and it does not come from the hub's cache (--check_weights)"));
}

std::string HexOf(const base::Digest& digest) {
  return absl::BytesToHexString(
      {reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace cooper::checkpoint
