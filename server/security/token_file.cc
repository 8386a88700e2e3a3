#include "server/security/token_file.h"

#include <sys/stat.h>

#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "base/status_macros.h"

namespace cooper::security {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(1);

// Takes as long for any `given` of one length, right or wrong.
bool EqualInConstantTime(absl::string_view given, absl::string_view token) {
  unsigned char difference = given.size() == token.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    const char other = token.empty() ? '\0' : token[i % token.size()];
    difference = static_cast<unsigned char>(
        difference | (static_cast<unsigned char>(given[i]) ^
                      static_cast<unsigned char>(other)));
  }
  return difference == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenFile>> TokenFile::Open(
    const std::string& path, const base::Clock* clock) {
  std::unique_ptr<TokenFile> file(new TokenFile(path, clock));
  base::MutexLock lock(&file->mutex_);
  COOPER_RETURN_IF_ERROR(file->ReloadLocked());
  file->next_look_ = clock->Now() + kLookEvery;
  return file;
}

bool TokenFile::Allows(absl::string_view authorization) {
  constexpr absl::string_view kScheme = "bearer ";
  base::MutexLock lock(&mutex_);
  const absl::Time now = clock_.Now();
  if (now >= next_look_) {
    next_look_ = now + kLookEvery;
    const absl::Status reloaded = ReloadLocked();
    if (!reloaded.ok()) {
      base::Log(base::LogLevel::kWarning, "kept the old tokens",
                {{"error", reloaded.message()}});
    }
  }
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) return false;
  const absl::string_view given =
      absl::StripAsciiWhitespace(authorization.substr(kScheme.size()));
  bool allowed = false;
  for (const std::string& token : tokens_) {
    allowed |= EqualInConstantTime(given, token);
  }
  return allowed;
}

absl::Status TokenFile::ReloadLocked() {
  struct stat info;
  if (stat(path_.c_str(), &info) != 0) {
    return absl::NotFoundError(absl::StrCat(path_, ": cannot be read"));
  }
  const Stamp stamp = {
      int64_t{info.st_mtim.tv_sec} * 1000000000 + info.st_mtim.tv_nsec,
      static_cast<int64_t>(info.st_ino), static_cast<int64_t>(info.st_size)};
  if (!tokens_.empty() && stamp == stamp_) return absl::OkStatus();
  std::ifstream file(path_);
  std::vector<std::string> tokens;
  std::string line;
  while (std::getline(file, line)) {
    const absl::string_view token = absl::StripAsciiWhitespace(line);
    if (!token.empty()) tokens.emplace_back(token);
  }
  if (file.bad() || (tokens.empty() && !file.eof())) {
    return absl::NotFoundError(absl::StrCat(path_, ": cannot be read"));
  }
  if (tokens.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": has no token"));
  }
  tokens_ = std::move(tokens);
  stamp_ = stamp;
  return absl::OkStatus();
}

}  // namespace cooper::security
