// The `cooper` command line tool: finds the command and hands over to it.
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/args.h"
#include "client/cli/command.h"
#include "client/cli/exit_code.h"
#include "client/cli/help.h"

namespace cooper::client {
namespace {

int Main(const std::vector<std::string>& arguments) {
  Console console(std::cout, std::cerr, Console::DetectTraits());
  Interrupt interrupt;  // before gRPC starts threads
  const std::vector<Command> commands = {
      AskCommand(),      ChatCommand(), DepthCommand(),  SegmentCommand(),
      GenerateCommand(), InfoCommand(), HealthCommand(), BenchCommand()};
  FlagNames known;
  for (const Command& command : commands) {
    known.insert(known.end(), command.flags.begin(), command.flags.end());
  }
  auto args = ParseArgs(arguments, known);
  if (!args.ok()) {
    console.Problem(absl::StrCat("cooper: ", args.status().message()));
    console.Notice("see \"cooper --help\"");
    return kUsage;
  }
  if (args->positional.empty()) {
    if (!args->help) {
      console.Problem("cooper: no command");
      std::cerr << HelpText(commands);
      return kUsage;
    }
    std::cout << HelpText(commands);
    return kAnswered;
  }
  const std::string name = args->positional.front();
  const auto command =
      std::find_if(commands.begin(), commands.end(),
                   [&](const Command& c) { return c.name == name; });
  if (command == commands.end()) {
    console.Problem(absl::StrCat("cooper: there is no command \"", name, "\""));
    console.Notice("see \"cooper --help\"");
    return kUsage;
  }
  if (args->help) {
    std::cout << HelpText(*command);
    return kAnswered;
  }
  CommandContext context{{args->positional.begin() + 1, args->positional.end()},
                         &console,
                         &interrupt};
  const absl::Status allowed = CheckFlags(*args, name, command->flags);
  if (!allowed.ok()) {
    return UsageError(context, name, std::string(allowed.message()));
  }
  return command->run(context);
}

}  // namespace
}  // namespace cooper::client

int main(int argc, char** argv) {
  return cooper::client::Main({argv + 1, argv + argc});
}
