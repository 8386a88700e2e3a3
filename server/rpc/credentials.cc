#include "server/rpc/credentials.h"

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"

namespace cooper::rpc {
namespace {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file || content.str().empty()) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  }
  return content.str();
}

}  // namespace

absl::Status TlsFiles::Validate() const {
  if (cert.empty() != key.empty()) {
    return absl::InvalidArgumentError("tls_cert and tls_key go together");
  }
  if (cert.empty() && !client_ca.empty()) {
    return absl::InvalidArgumentError(
        "tls_client_ca needs tls_cert and tls_key");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(
    const TlsFiles& files) {
  COOPER_RETURN_IF_ERROR(files.Validate());
  if (files.cert.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options;
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  COOPER_ASSIGN_OR_RETURN(pair.cert_chain, ReadFile(files.cert));
  COOPER_ASSIGN_OR_RETURN(pair.private_key, ReadFile(files.key));
  options.pem_key_cert_pairs.push_back(pair);
  if (!files.client_ca.empty()) {
    COOPER_ASSIGN_OR_RETURN(options.pem_root_certs, ReadFile(files.client_ca));
    options.client_certificate_request =
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(options);
}

}  // namespace cooper::rpc
