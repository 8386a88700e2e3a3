#ifndef COOPER_SERVER_SECURITY_TOKEN_FILE_H_
#define COOPER_SERVER_SECURITY_TOKEN_FILE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace cooper::security {

// Bearer tokens that callers must bring, one a line of a file; two lines let a
// token be exchanged without a gap. The file is looked at at most once a
// second and read again when it changed; where it cannot be read, the last
// good tokens stay. Tokens are compared in constant time.
//
// Thread-safe.
class TokenFile {
 public:
  // NOT_FOUND: cannot be read; INVALID_ARGUMENT: it has no token. `clock` must
  // outlive the object.
  static absl::StatusOr<std::unique_ptr<TokenFile>> Open(
      const std::string& path, const base::Clock* clock);

  // Whether the value of an `authorization` header carries a valid token.
  bool Allows(absl::string_view authorization) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // What changes when a file is written or exchanged.
  struct Stamp {
    int64_t mtime_ns = 0;
    int64_t inode = 0;
    int64_t size = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };

  TokenFile(std::string path, const base::Clock* clock)
      : path_(std::move(path)), clock_(*clock) {}
  absl::Status ReloadLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  const base::Clock& clock_;
  base::Mutex mutex_;
  absl::Time next_look_ ABSL_GUARDED_BY(mutex_);
  Stamp stamp_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> tokens_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cooper::security

#endif  // COOPER_SERVER_SECURITY_TOKEN_FILE_H_
