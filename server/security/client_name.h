#ifndef COOPER_SERVER_SECURITY_CLIENT_NAME_H_
#define COOPER_SERVER_SECURITY_CLIENT_NAME_H_

#include <grpcpp/server_context.h>

#include <string>

#include "absl/strings/string_view.h"

namespace cooper::security {

// What tells callers apart.
struct CallerFacts {
  absl::string_view token;     // bearer token that was found valid, or empty
  absl::string_view tls_name;  // common name of the caller's certificate
  absl::string_view peer;      // gRPC's: "ipv4:127.0.0.1:4711"
};

// Who calls, for shares, limits and sessions (engine::Request::client): the
// digest of its token, else its certificate's name, else its address without
// the port. Behind a proxy without tokens or certificates all callers are one.
// Personal: no metric's label, and in logs only as a digest. Pure.
std::string ClientName(const CallerFacts& facts);

// The same of a call. `authorization`: the header's value where tokens are
// checked, else empty.
std::string ClientNameOf(const grpc::ServerContextBase& context,
                         absl::string_view authorization);

}  // namespace cooper::security

#endif  // COOPER_SERVER_SECURITY_CLIENT_NAME_H_
