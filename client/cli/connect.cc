#include "client/cli/connect.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "client/cli/error_printer.h"
#include "client/cli/exit_code.h"

namespace cooper::client {
namespace {

constexpr absl::Duration kWaitStep = absl::Milliseconds(200);

// The token would be readable on the way.
bool TokenInTheClear(const ClientOptions& options) {
  return !options.auth_token_file.empty() && !options.tls &&
         options.tls_ca_file.empty() && options.tls_cert_file.empty() &&
         !absl::StartsWith(options.target, "localhost") &&
         !absl::StartsWith(options.target, "127.") &&
         !absl::StartsWith(options.target, "unix:");
}

// As the flags say; the user has been told of an error.
absl::StatusOr<ClientOptions> OptionsByFlags(const CommandContext& context,
                                             const std::string& command,
                                             CallOptions* call_options,
                                             int* exit_code) {
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
  return options;
}

// Tries until the server takes requests or --wait is over.
absl::StatusOr<std::unique_ptr<Client>> AwaitServer(
    const ClientOptions& options) {
  const absl::Time give_up = absl::Now() + absl::GetFlag(FLAGS_wait);
  while (true) {
    auto client = Client::Connect(options);
    if (absl::IsInvalidArgument(client.status())) return client;
    if (client.ok() && absl::Now() < give_up) {
      CallOptions call;
      call.timeout = give_up - absl::Now();
      const auto state = (*client)->Health("", call);
      if (state.ok() && *state == ServingState::kServing) return client;
    }
    if (absl::Now() >= give_up) return client;
    absl::SleepFor(std::min(kWaitStep, give_up - absl::Now()));
  }
}

absl::StatusOr<std::unique_ptr<Client>> ConnectBy(const ClientOptions& options,
                                                  const CommandContext& context,
                                                  const std::string& command,
                                                  int* exit_code) {
  auto client = AwaitServer(options);
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

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> ConnectByFlags(
    const CommandContext& context, const std::string& command,
    CallOptions* call_options, int* exit_code) {
  auto options = OptionsByFlags(context, command, call_options, exit_code);
  if (!options.ok()) return options.status();
  return ConnectBy(*options, context, command, exit_code);
}

absl::StatusOr<std::vector<std::unique_ptr<Client>>> ConnectAllByFlags(
    const CommandContext& context, const std::string& command, int count,
    CallOptions* call_options, int* exit_code) {
  auto options = OptionsByFlags(context, command, call_options, exit_code);
  if (!options.ok()) return options.status();
  options->share_connection = false;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < count; ++i) {
    auto client = ConnectBy(*options, context, command, exit_code);
    if (!client.ok()) return client.status();
    clients.push_back(*std::move(client));
  }
  return clients;
}

}  // namespace cooper::client
