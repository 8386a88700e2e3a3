#ifndef COOPER_SERVER_SECURITY_PEM_FILES_H_
#define COOPER_SERVER_SECURITY_PEM_FILES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace cooper::security {

// PEM files of a server that speaks TLS; all empty: plain text.
struct TlsFiles {
  std::string cert;       // chain, the server's own first
  std::string key;        // of the first certificate
  std::string client_ca;  // if set, callers must present a certificate of it
  std::string crl;        // certificates of callers that are revoked

  // INVALID_ARGUMENT: files that need others are alone.
  absl::Status Validate() const;
};

// What the files hold, without the CRLs (crl_file.h).
struct PemTexts {
  std::string cert;
  std::string key;
  std::string client_ca;  // empty: callers are not asked for certificates
  friend bool operator==(const PemTexts&, const PemTexts&) = default;
};

// Errors name flag and file. INVALID_ARGUMENT: empty, or larger than 1 MiB;
// others (NOT_FOUND, PERMISSION_DENIED): cannot be read. Files that are
// exchanged meanwhile may be of two versions. Blocks on the disk.
absl::StatusOr<PemTexts> ReadPemFiles(const TlsFiles& files);

// When the server's own certificate expires. INVALID_ARGUMENT, naming flag and
// file: not PEM, a key with a passphrase, a key of another certificate, or
// refused by OpenSSL, as it would be in use (too short a key, for example).
// Dates are not looked at.
absl::StatusOr<absl::Time> CheckPemTexts(const PemTexts& texts,
                                         const TlsFiles& files);

}  // namespace cooper::security

#endif  // COOPER_SERVER_SECURITY_PEM_FILES_H_
