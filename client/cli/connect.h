#ifndef COOPER_CLIENT_CLI_CONNECT_H_
#define COOPER_CLIENT_CLI_CONNECT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/command.h"
#include "cooper/client/client.h"

namespace cooper::client {

// Connects as the connection flags say and reads how calls are to run. An error
// has been told to the user, and *exit_code is set.
absl::StatusOr<std::unique_ptr<Client>> ConnectByFlags(
    const CommandContext& context, const std::string& command,
    CallOptions* call_options, int* exit_code);

// The same, for `count` clients (at least one), each with a connection of its
// own.
absl::StatusOr<std::vector<std::unique_ptr<Client>>> ConnectAllByFlags(
    const CommandContext& context, const std::string& command, int count,
    CallOptions* call_options, int* exit_code);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_CONNECT_H_
