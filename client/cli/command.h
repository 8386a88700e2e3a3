#ifndef COOPER_CLIENT_CLI_COMMAND_H_
#define COOPER_CLIENT_CLI_COMMAND_H_

#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "client/cli/console.h"
#include "client/cli/flags.h"
#include "client/cli/interrupt.h"

namespace cooper::client {

// What a command runs with.
struct CommandContext {
  std::vector<std::string> arguments;  // after the command's name, no flags
  Console* console;
  Interrupt* interrupt;
};

// A command of the tool.
struct Command {
  std::string name;
  std::string arguments;  // for the help, as "IMAGE... \"QUESTION\""
  std::string summary;
  FlagNames flags;
  // Returns the exit code.
  std::function<int(const CommandContext&)> run;
  // What the help says below the flags, in whole lines.
  std::string notes = {};
};

Command AskCommand();
Command ChatCommand();
Command DepthCommand();
Command SegmentCommand();
Command GenerateCommand();
Command InfoCommand();
Command HealthCommand();
Command BenchCommand();

// Joins groups of flags.
FlagNames Flags(std::initializer_list<FlagNames> groups);

// Says what is wrong with the command line; returns kUsage.
int UsageError(const CommandContext& context, const std::string& command,
               const std::string& message);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_COMMAND_H_
