#include "client/cli/connect.h"

#include <string>

#include "absl/strings/match.h"
#include "client/cli/error_printer.h"
#include "client/cli/exit_code.h"

namespace cooper::client {
namespace {

// The token would be readable on the way.
bool TokenInTheClear(const ClientOptions& options) {
  return !options.auth_token_file.empty() && !options.tls &&
         options.tls_ca_file.empty() && options.tls_cert_file.empty() &&
         !absl::StartsWith(options.target, "localhost") &&
         !absl::StartsWith(options.target, "127.") &&
         !absl::StartsWith(options.target, "unix:");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> ConnectByFlags(
    const CommandContext& context, const std::string& command,
    CallOptions* call_options, int* exit_code) {
  ClientOptions options;
  absl::Status status = ReadConnection(&options, call_options);
  if (!status.ok()) {
    *exit_code = UsageError(context, command, std::string(status.message()));
    return status;
  }
  if (TokenInTheClear(options)) {
    context.console->Problem(
        "warning: the token goes over an unencrypted connection (see --tls)");
  }
  auto client = Client::Connect(options);
  if (client.ok()) return client;
  if (absl::IsInvalidArgument(client.status())) {
    *exit_code =
        UsageError(context, command, std::string(client.status().message()));
  } else {
    PrintError(client.status(), context.console);
    *exit_code = kUnreachable;
  }
  return client;
}

}  // namespace cooper::client
