#ifndef COOPER_CLIENT_CLI_COMPLETION_H_
#define COOPER_CLIENT_CLI_COMPLETION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cli/command.h"

namespace cooper::client {

// A script for `shell` (bash, zsh or fish) that completes the commands of
// `cooper`, their flags, and file names. INVALID_ARGUMENT: another shell.
absl::StatusOr<std::string> CompletionScript(
    absl::string_view shell, const std::vector<Command>& commands);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_COMPLETION_H_
