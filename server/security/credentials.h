#ifndef COOPER_SERVER_SECURITY_CREDENTIALS_H_
#define COOPER_SERVER_SECURITY_CREDENTIALS_H_

#include <grpc/grpc_security.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "server/security/pem_files.h"

namespace cooper::security {

// What a TLS server shows and whom it trusts, renewed when the files change.
// New connections get what was found last and is fit for use, those under way
// keep theirs. Exchange the files at once (a renamed folder or link, as a
// mounted Secret does): as long as certificate and key do not fit, the old ones
// stay.
//
// Thread-safe.
class Credentials {
 public:
  // Errors of ReadPemFiles and CheckPemTexts. Blocks on the disk.
  static absl::StatusOr<std::unique_ptr<Credentials>> Open(
      const TlsFiles& files);

  // For the one listener of a server, which this object must outlive.
  std::shared_ptr<grpc::ServerCredentials> ForListener();

  // Looks at the files again. What is not fit for use changes nothing, with one
  // warning in the log however often it is looked at. Blocks on the disk.
  void Refresh() ABSL_LOCKS_EXCLUDED(refresh_mutex_, mutex_);

  // The authority of callers that new connections are held to, as PEM; empty:
  // none is asked for.
  std::string client_ca() const ABSL_LOCKS_EXCLUDED(mutex_);

  // When the certificate that new connections see expires.
  absl::Time expiry() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  explicit Credentials(TlsFiles files) : files_(std::move(files)) {}
  void Serve(PemTexts texts, absl::Time expiry) ABSL_LOCKS_EXCLUDED(mutex_);
  // Asked by gRPC for each new connection.
  grpc_ssl_certificate_config_reload_status Fetch(
      grpc_ssl_server_certificate_config** config) ABSL_LOCKS_EXCLUDED(mutex_);

  const TlsFiles files_;
  base::Mutex refresh_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  // What was found and warned of last, until something else is found.
  std::optional<absl::StatusOr<PemTexts>> refused_
      ABSL_GUARDED_BY(refresh_mutex_);
  mutable base::Mutex mutex_;
  PemTexts served_ ABSL_GUARDED_BY(mutex_);
  absl::Time expiry_ ABSL_GUARDED_BY(mutex_);
  bool fetched_ ABSL_GUARDED_BY(mutex_) = false;  // gRPC has served_
};

}  // namespace cooper::security

#endif  // COOPER_SERVER_SECURITY_CREDENTIALS_H_
