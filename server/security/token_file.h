#ifndef COOPER_SERVER_SECURITY_TOKEN_FILE_H_
#define COOPER_SERVER_SECURITY_TOKEN_FILE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "server/security/file_stamp.h"

namespace cooper::security {

// Bearer tokens that clients must send, one on each line of a file; two lines
// let a token be exchanged without a gap. White space around a token, "Bearer "
// in front of it and a byte order mark at the file's begin are not part of it.
// `Refresh` reads the file again if it
// has changed; if it cannot be read, the last good tokens stay. Tokens are
// compared in constant time.
//
// Thread-safe.
class TokenFile {
 public:
  // NOT_FOUND: cannot be read; INVALID_ARGUMENT: it has no token.
  static absl::StatusOr<std::unique_ptr<TokenFile>> Open(
      const std::string& path);

  // Reads the file if it has changed. Blocks for as long as that takes.
  void Refresh() ABSL_LOCKS_EXCLUDED(refresh_mutex_, mutex_);

  // Whether the value of an `authorization` header carries a valid token. Never
  // reads the file.
  bool Allows(absl::string_view authorization) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  explicit TokenFile(std::string path) : path_(std::move(path)) {}
  absl::Status ReloadLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresh_mutex_)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string path_;
  base::Mutex refresh_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  std::optional<FileStamp> stamp_ ABSL_GUARDED_BY(refresh_mutex_);
  absl::Status told_ ABSL_GUARDED_BY(refresh_mutex_);  // of the last Refresh
  mutable base::Mutex mutex_;
  std::vector<std::string> tokens_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cooper::security

#endif  // COOPER_SERVER_SECURITY_TOKEN_FILE_H_
