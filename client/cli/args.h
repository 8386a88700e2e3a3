#ifndef COOPER_CLIENT_CLI_ARGS_H_
#define COOPER_CLIENT_CLI_ARGS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/flags.h"

namespace cooper::client {

// A command line, taken apart.
struct Args {
  std::vector<std::string> positional;
  std::vector<std::string> given_flags;  // names
  bool help = false;
  bool version = false;
  bool quiet = false;
};

// Sets the absl flags named in `known` from `arguments` (without the
// program's name): --name=value, --name value, --name and --noname for
// switches (optional ones, too), with dashes or underscores in the name; -s and
// -o for --server and --out. --help (-h), --quiet (-q) and --version need not
// be in `known`. "--" ends the flags; "-" alone is positional. absl's own
// parser is not used because it ends the process, with another code.
// INVALID_ARGUMENT names the flag, and a known one that is spelled like it.
absl::StatusOr<Args> ParseArgs(const std::vector<std::string>& arguments,
                               const FlagNames& known);

// INVALID_ARGUMENT if a flag was given that is not in `allowed`.
absl::Status CheckFlags(const Args& args, const std::string& command,
                        const FlagNames& allowed);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_ARGS_H_
