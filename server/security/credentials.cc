#include "server/security/credentials.h"

#include <grpc/grpc.h>

#include <string>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "base/status_macros.h"

namespace cooper::security {
namespace {

// gRPC's C credentials for its C++ server. They ask a callback at each new
// connection and, given something that they cannot use, keep what they have.
// grpc::experimental::TlsServerCredentials with its file watcher do not: at
// gRPC 1.51 a broken renewal leaves them with nothing, and every new
// connection fails.
class FetchingCredentials final : public grpc::ServerCredentials {
 public:
  FetchingCredentials(grpc_ssl_client_certificate_request_type request,
                      grpc_ssl_server_certificate_config_callback fetch,
                      void* source)
      : credentials_(grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(
                request, fetch, source))) {}
  ~FetchingCredentials() override {
    grpc_server_credentials_release(credentials_);
  }

  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {
    COOPER_CHECK(false);  // tokens are checked by the services
  }

 private:
  int AddPortToServer(const std::string& address,
                      grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* const credentials_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Credentials>> Credentials::Open(
    const TlsFiles& files) {
  COOPER_ASSIGN_OR_RETURN(PemTexts texts, ReadPemFiles(files));
  COOPER_ASSIGN_OR_RETURN(const absl::Time expiry, CheckPemTexts(texts, files));
  std::unique_ptr<Credentials> credentials(new Credentials(files));
  credentials->Serve(std::move(texts), expiry);
  return credentials;
}

std::shared_ptr<grpc::ServerCredentials> Credentials::ForListener() {
  return std::make_shared<FetchingCredentials>(
      files_.client_ca.empty()
          ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
          : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY,
      [](void* self, grpc_ssl_server_certificate_config** config) {
        return static_cast<Credentials*>(self)->Fetch(config);
      },
      this);
}

void Credentials::Refresh() {
  base::MutexLock refresh_lock(&refresh_mutex_);
  absl::StatusOr<PemTexts> found = ReadPemFiles(files_);
  {
    base::MutexLock lock(&mutex_);
    if (found.ok() && *found == served_) {
      refused_.reset();
      return;
    }
  }
  if (refused_ == found) return;
  const absl::StatusOr<absl::Time> expiry =
      found.ok() ? CheckPemTexts(*found, files_) : found.status();
  if (!expiry.ok()) {
    base::Log(base::LogLevel::kWarning, "kept the old certificate",
              {{"error", expiry.status().message()}});
    refused_ = std::move(found);
    return;
  }
  refused_.reset();
  Serve(*std::move(found), *expiry);
  base::Log(base::LogLevel::kInfo, "certificate renewed",
            {{"expires", absl::FormatTime(absl::RFC3339_sec, *expiry,
                                          absl::UTCTimeZone())}});
}

std::string Credentials::client_ca() const {
  base::MutexLock lock(&mutex_);
  return served_.client_ca;
}

absl::Time Credentials::expiry() const {
  base::MutexLock lock(&mutex_);
  return expiry_;
}

void Credentials::Serve(PemTexts texts, absl::Time expiry) {
  base::MutexLock lock(&mutex_);
  served_ = std::move(texts);
  expiry_ = expiry;
  fetched_ = false;
}

grpc_ssl_certificate_config_reload_status Credentials::Fetch(
    grpc_ssl_server_certificate_config** config) {
  base::MutexLock lock(&mutex_);
  if (fetched_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  const grpc_ssl_pem_key_cert_pair pair = {served_.key.c_str(),
                                           served_.cert.c_str()};
  // gRPC wants an authority here even where callers are asked for nothing, so
  // that it is never looked at.
  const std::string& authority =
      served_.client_ca.empty() ? served_.cert : served_.client_ca;
  *config =
      grpc_ssl_server_certificate_config_create(authority.c_str(), &pair, 1);
  fetched_ = true;
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

}  // namespace cooper::security
