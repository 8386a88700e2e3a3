#ifndef COOPER_CLIENT_CLI_HELP_H_
#define COOPER_CLIENT_CLI_HELP_H_

#include <string>
#include <vector>

#include "client/cli/command.h"

namespace cooper::client {

// What "cooper --help" prints.
std::string HelpText(const std::vector<Command>& commands);

// What "cooper COMMAND --help" prints.
std::string HelpText(const Command& command);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_HELP_H_
