#ifndef COOPER_SERVER_SECURITY_CRL_FILE_H_
#define COOPER_SERVER_SECURITY_CRL_FILE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "server/security/pem_files.h"

namespace cooper::security {

// Which callers' certificates are revoked: the certificate revocation lists
// (CRLs) of a file, renewed when it changes. gRPC 1.51 reads none with the
// credentials that we use, so calls are checked here.
//
// - A list counts only if a certificate in TlsFiles::client_ca has signed it.
// - A certificate is revoked if any list of its issuer says so; an issuer
//   without a list has revoked none.
// - So is what an authority in client_ca has issued (known by its name) that is
//   itself revoked.
// - A list stays in force beyond its nextUpdate, with one warning in the log:
//   no list at all would let everyone in, and refusing everyone would make a
//   late list an outage.
//
// Thread-safe.
class CrlFile {
 public:
  // `client_ca`: text of files.client_ca. INVALID_ARGUMENT, naming flag and
  // file: empty, larger than 16 MiB, not PEM, or a list that is not signed by a
  // certificate in it; others: cannot be read. Blocks on the disk.
  static absl::StatusOr<std::unique_ptr<CrlFile>> Open(
      const TlsFiles& files, const std::string& client_ca, absl::Time now);
  ~CrlFile();

  // Looks at the file again, with the authorities now in force. What is not fit
  // for use changes nothing, with one warning in the log however often it is
  // looked at. `now`: by the wall clock. Blocks on the disk.
  void Refresh(const std::string& client_ca, absl::Time now)
      ABSL_LOCKS_EXCLUDED(refresh_mutex_, mutex_);

  // Of a caller whom the handshake has accepted: its certificate, and what it
  // presented with it, as gRPC's x509_pem_cert and x509_pem_cert_chain.
  // UNAUTHENTICATED: one of them is revoked; or the chain is not known, since
  // the session was resumed, and client_ca does not have the issuer. Never
  // looks at the disk. 2 us for a caller seen before.
  absl::Status Check(absl::string_view certificate, absl::string_view chain)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class Lists;
  // What lists are made of.
  struct Source {
    std::string client_ca;
    absl::StatusOr<std::string> crl;
    friend bool operator==(const Source&, const Source&) = default;
  };

  explicit CrlFile(TlsFiles files) : files_(std::move(files)) {}
  Source Read(const std::string& client_ca) const;
  absl::Status UseLocked(Source source)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresh_mutex_) ABSL_LOCKS_EXCLUDED(mutex_);
  void WarnOfLateListsLocked(absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresh_mutex_);

  const TlsFiles files_;
  base::Mutex refresh_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  std::optional<Source> used_ ABSL_GUARDED_BY(refresh_mutex_);
  // What was found and warned of last, until something else is found.
  std::optional<Source> refused_ ABSL_GUARDED_BY(refresh_mutex_);
  // Of the lists in use, without those that were warned of.
  std::vector<absl::Time> next_updates_ ABSL_GUARDED_BY(refresh_mutex_);
  base::Mutex mutex_;
  std::shared_ptr<const Lists> lists_ ABSL_GUARDED_BY(mutex_);
  // By digest of certificate and chain. Reading a certificate takes two
  // hundred times as long.
  absl::flat_hash_map<base::Digest, absl::Status> verdicts_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace cooper::security

#endif  // COOPER_SERVER_SECURITY_CRL_FILE_H_
