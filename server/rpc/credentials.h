#ifndef COOPER_SERVER_RPC_CREDENTIALS_H_
#define COOPER_SERVER_RPC_CREDENTIALS_H_

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cooper::rpc {

// PEM files of a server that speaks TLS; all empty: plain text.
struct TlsFiles {
  std::string cert;       // chain, the server's own first
  std::string key;        // of the first certificate
  std::string client_ca;  // if set, callers must present a certificate of it

  // INVALID_ARGUMENT: files that need others are alone.
  absl::Status Validate() const;
};

// NOT_FOUND: a file cannot be read.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(
    const TlsFiles& files);

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_CREDENTIALS_H_
