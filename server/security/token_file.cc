#include "server/security/token_file.h"

#include <openssl/crypto.h>

#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/logging.h"
#include "base/status_macros.h"

namespace cooper::security {
namespace {

constexpr absl::string_view kScheme = "bearer ";

// The token of a line of the file; empty if it has none.
absl::string_view TokenOf(absl::string_view line) {
  line = absl::StripAsciiWhitespace(line);
  if (!absl::StartsWithIgnoreCase(line, kScheme)) return line;
  return absl::StripAsciiWhitespace(line.substr(kScheme.size()));
}

bool Equal(absl::string_view given, absl::string_view token) {
  return given.size() == token.size() &&
         CRYPTO_memcmp(given.data(), token.data(), token.size()) == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenFile>> TokenFile::Open(
    const std::string& path) {
  std::unique_ptr<TokenFile> file(new TokenFile(path));
  base::MutexLock lock(&file->refresh_mutex_);
  COOPER_RETURN_IF_ERROR(file->ReloadLocked());
  return file;
}

void TokenFile::Refresh() {
  base::MutexLock lock(&refresh_mutex_);
  const absl::Status reloaded = ReloadLocked();
  // A file that cannot be read is told once.
  const bool told = reloaded == told_;
  told_ = reloaded;
  if (reloaded.ok() || told) return;
  base::Log(base::LogLevel::kWarning, "kept the old tokens",
            {{"error", reloaded.message()}});
}

bool TokenFile::Allows(absl::string_view authorization) const {
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) return false;
  const absl::string_view given =
      absl::StripAsciiWhitespace(authorization.substr(kScheme.size()));
  bool allowed = false;
  base::MutexLock lock(&mutex_);
  for (const std::string& token : tokens_) allowed |= Equal(given, token);
  return allowed;
}

absl::Status TokenFile::ReloadLocked() {
  const std::optional<FileStamp> stamp = StampOf(path_);
  if (!stamp.has_value()) {
    return absl::NotFoundError(absl::StrCat(path_, ": cannot be read"));
  }
  if (stamp == stamp_) return absl::OkStatus();
  std::ifstream file(path_);
  std::vector<std::string> tokens;
  std::string line;
  bool first = true;
  while (std::getline(file, line)) {
    absl::string_view text = line;
    if (std::exchange(first, false)) absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
    const absl::string_view token = TokenOf(text);
    if (!token.empty()) tokens.emplace_back(token);
  }
  if (file.bad() || (tokens.empty() && !file.eof())) {
    return absl::NotFoundError(absl::StrCat(path_, ": cannot be read"));
  }
  stamp_ = stamp;  // read, so that the same error is told once
  if (tokens.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": has no token"));
  }
  base::MutexLock lock(&mutex_);
  tokens_ = std::move(tokens);
  return absl::OkStatus();
}

}  // namespace cooper::security
