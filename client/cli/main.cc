// The `cooper` command line tool: finds the command and hands over to it.
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/args.h"
#include "client/cli/command.h"
#include "client/cli/completion.h"
#include "client/cli/exit_code.h"
#include "client/cli/help.h"

namespace cooper::client {
namespace {

std::vector<Command> Commands() {
  return {AskCommand(),      ChatCommand(), DepthCommand(),  SegmentCommand(),
          GenerateCommand(), InfoCommand(), HealthCommand(), BenchCommand()};
}

const Command* Find(const std::vector<Command>& commands,
                    const std::string& name) {
  const auto command =
      std::find_if(commands.begin(), commands.end(),
                   [&](const Command& c) { return c.name == name; });
  return command == commands.end() ? nullptr : &*command;
}

int WrongUsage(Console* console, absl::string_view problem) {
  console->Problem(absl::StrCat("cooper: ", problem));
  console->Notice("see \"cooper --help\"");
  return kUsage;
}

// `name` empty: of the whole tool.
int Help(const std::vector<Command>& commands, const std::string& name,
         Console* console) {
  if (name.empty()) {
    std::cout << HelpText(commands);
    return kAnswered;
  }
  const Command* command = Find(commands, name);
  if (command == nullptr) {
    return WrongUsage(console,
                      absl::StrCat("there is no command \"", name, "\""));
  }
  std::cout << HelpText(*command);
  return kAnswered;
}

int Completion(const std::vector<Command>& commands, const std::string& shell,
               Console* console) {
  const auto script = CompletionScript(shell, commands);
  if (!script.ok()) return WrongUsage(console, script.status().message());
  std::cout << *script;
  return kAnswered;
}

int Main(const std::vector<std::string>& arguments) {
  Console::Traits traits = Console::DetectTraits();
  const std::vector<Command> commands = Commands();
  FlagNames known;
  for (const Command& command : commands) {
    known.insert(known.end(), command.flags.begin(), command.flags.end());
  }
  const auto args = ParseArgs(arguments, known);
  traits.quiet = args.ok() && args->quiet;
  Console console(std::cout, std::cerr, traits);
  Interrupt interrupt;  // before gRPC starts threads
  if (!args.ok()) return WrongUsage(&console, args.status().message());
  if (args->version) {
    std::cout << "cooper " COOPER_VERSION "\n";
    return kAnswered;
  }
  const std::vector<std::string>& words = args->positional;
  if (words.empty()) {
    if (args->help) return Help(commands, "", &console);
    console.Problem("cooper: no command");
    std::cerr << HelpText(commands);
    return kUsage;
  }
  const std::string& name = words.front();
  const std::string second = words.size() > 1 ? words[1] : "";
  if (name == "help") return Help(commands, second, &console);
  if (name == "completion") return Completion(commands, second, &console);
  const Command* command = Find(commands, name);
  if (command == nullptr || args->help) return Help(commands, name, &console);
  CommandContext context{
      {words.begin() + 1, words.end()}, &console, &interrupt};
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
