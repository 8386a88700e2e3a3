#ifndef COOPER_SERVER_SECURITY_POLICY_FILE_H_
#define COOPER_SERVER_SECURITY_POLICY_FILE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "server/security/file_stamp.h"

namespace cooper::security {

// Which clients may call which methods, by a JSON file:
//   {"clients": {"76911b934a15eda7": ["Reason", "GetModel"]}, "default": []}
// Clients are named as the log names them; "default" holds for all others, and
// allows nothing where it is absent. `Refresh` reads the file again if it has
// changed; if it is wrong, the last good policy stays.
//
// Thread-safe.
class PolicyFile {
 public:
  // `methods`: the names that the file may use; another is an error.
  // NOT_FOUND: cannot be read; INVALID_ARGUMENT: what is wrong in it.
  static absl::StatusOr<std::unique_ptr<PolicyFile>> Open(
      const std::string& path, std::vector<std::string> methods);

  // Reads the file if it has changed. Blocks for as long as that takes.
  void Refresh() ABSL_LOCKS_EXCLUDED(refresh_mutex_, mutex_);

  // Whether the client, as the log names it, may call the method. Never reads
  // the file.
  bool Allows(const std::string& client, const std::string& method) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Methods = absl::flat_hash_set<std::string>;
  struct Policy {
    absl::flat_hash_map<std::string, Methods> clients;
    Methods others;
  };

  PolicyFile(std::string path, std::vector<std::string> methods)
      : path_(std::move(path)), methods_(methods.begin(), methods.end()) {}
  absl::Status ReloadLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresh_mutex_)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Policy> Parse(const std::string& text) const;

  const std::string path_;
  const Methods methods_;
  base::Mutex refresh_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  std::optional<FileStamp> stamp_ ABSL_GUARDED_BY(refresh_mutex_);
  absl::Status told_ ABSL_GUARDED_BY(refresh_mutex_);  // of the last Refresh
  mutable base::Mutex mutex_;
  Policy policy_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace cooper::security

#endif  // COOPER_SERVER_SECURITY_POLICY_FILE_H_
