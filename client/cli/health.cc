// cooper health
#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "base/utf8.h"
#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/error_printer.h"
#include "client/cli/exit_code.h"
#include "client/text.h"

namespace cooper::client {
namespace {

absl::string_view StateName(ServingState state) {
  switch (state) {
    case ServingState::kServing:
      return "SERVING";
    case ServingState::kNotServing:
      return "NOT_SERVING";
    case ServingState::kUnknown:
      return "UNKNOWN";
  }
  return "UNKNOWN";
}

int Run(const CommandContext& context) {
  if (!context.arguments.empty()) {
    return UsageError(context, "health", "takes no argument");
  }
  const std::string service = absl::GetFlag(FLAGS_service);
  if (!base::IsUtf8(service)) {
    return UsageError(context, "health", "--service is no UTF-8");
  }
  CallOptions options;
  int exit_code = 0;
  auto client = ConnectByFlags(context, "health", &options, &exit_code);
  if (!client.ok()) return exit_code;
  const auto state = (*client)->Health(service, options);
  if (!state.ok()) {
    PrintError(state.status(), context.console);
    return ExitCodeOf(state.status(), /*any_event=*/false);
  }
  context.console->Line(StateName(*state));
  return *state == ServingState::kServing ? kAnswered : kUnreachable;
}

}  // namespace

Command HealthCommand() {
  return {"health", "", "whether the server takes requests: exit code 0 if so",
          Flags({{"service"}, ConnectionFlags()}), Run};
}

}  // namespace cooper::client
