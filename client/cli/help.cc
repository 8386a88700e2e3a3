#include "client/cli/help.h"

#include "absl/flags/reflection.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace cooper::client {

std::string HelpText(const std::vector<Command>& commands) {
  std::string text =
      "cooper: asks a COOPER server about the space in images\n\n";
  for (const Command& command : commands) {
    absl::StrAppendFormat(&text, "  cooper %-30s %s\n",
                          absl::StrCat(command.name, " ", command.arguments),
                          command.summary);
  }
  return text +
         "  cooper completion bash|zsh|fish       print a script that "
         "completes "
         "commands and flags\n"
         "\n\"cooper COMMAND --help\" (-h, cooper help COMMAND) lists a "
         "command's flags.\n--version; -q, --quiet: answers and problems "
         "only; -s: --server; -o: --out.\nAn image named - is read from "
         "standard input.\n"
         "Exit codes: 0 answered, 2 usage, 3 server unreachable, 4 request "
         "refused,\n5 failed midway or no answer, 130 interrupted.\n";
}

std::string HelpText(const Command& command) {
  std::string text =
      absl::StrCat("cooper ", command.name, " ", command.arguments, "\n  ",
                   command.summary, "\n\n");
  for (const char* name : command.flags) {
    const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
    if (flag == nullptr) continue;
    absl::StrAppendFormat(&text, "  --%-19s %s", name, flag->Help());
    const std::string value = flag->DefaultValue();
    if (!value.empty() && !flag->IsOfType<bool>()) {
      absl::StrAppend(&text, " (", value, ")");
    }
    text += '\n';
  }
  if (!command.notes.empty()) absl::StrAppend(&text, "\n", command.notes);
  return text;
}

}  // namespace cooper::client
