#ifndef COOPER_CLIENT_CLI_SERVER_ADDRESS_H_
#define COOPER_CLIENT_CLI_SERVER_ADDRESS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cooper/client/options.h"

namespace cooper::client {

// $COOPER_SERVER where it is set and not empty, else the library's default.
std::string DefaultServer();

// The target that --server names: HOST:PORT (without HOST: this machine;
// without PORT: 8001), http://HOST:PORT, https://HOST:PORT (encrypts),
// unix:PATH, the absolute path of a socket, or gRPC's own, as dns:///NAME.
// INVALID_ARGUMENT.
absl::Status ReadServer(absl::string_view server, ClientOptions* client);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_SERVER_ADDRESS_H_
