#include "client/cli/command.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/cli/exit_code.h"

namespace cooper::client {

FlagNames Flags(std::initializer_list<FlagNames> groups) {
  FlagNames all;
  for (const FlagNames& group : groups) {
    for (const absl::string_view name : group) {
      if (std::find(all.begin(), all.end(), name) == all.end()) {
        all.push_back(name.data());
      }
    }
  }
  return all;
}

int UsageError(const CommandContext& context, const std::string& command,
               const std::string& message) {
  context.console->Problem(absl::StrCat("cooper ", command, ": ", message));
  context.console->Notice(absl::StrCat("see \"cooper ", command, " --help\""));
  return kUsage;
}

}  // namespace cooper::client
