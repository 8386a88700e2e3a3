#include "client/cli/completion.h"

#include "absl/flags/reflection.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace cooper::client {
namespace {

// Flags of every command.
constexpr absl::string_view kOwn = "--help --quiet";

std::string ForBash(const std::vector<Command>& commands) {
  std::string names;
  std::string cases;
  for (const Command& command : commands) {
    absl::StrAppend(&names, command.name, " ");
    absl::StrAppend(&cases, "    ", command.name, ") flags=\"", kOwn);
    for (const char* flag : command.flags) absl::StrAppend(&cases, " --", flag);
    absl::StrAppend(&cases, "\" ;;\n");
  }
  return absl::StrCat(
      R"(_cooper() {
  local word=${COMP_WORDS[COMP_CWORD]} flags=
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W ")",
      names, R"(help completion --help --version" -- "$word"))
    return
  fi
  case ${COMP_WORDS[1]} in
)",
      cases,
      R"(    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$word")); return ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _cooper cooper
)");
}

std::string Quoted(absl::string_view text) {
  return absl::StrCat(
      "'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

std::string ForFish(const std::vector<Command>& commands) {
  std::string script;
  const auto add_command = [&](absl::string_view name,
                               absl::string_view summary) {
    absl::StrAppend(&script,
                    "complete -c cooper -n __fish_use_subcommand -f -a ", name,
                    " -d ", Quoted(summary), "\n");
  };
  for (const Command& command : commands) {
    add_command(command.name, command.summary);
    for (const char* name : command.flags) {
      const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
      if (flag == nullptr) continue;
      absl::StrAppend(
          &script, "complete -c cooper -n ",
          Quoted(absl::StrCat("__fish_seen_subcommand_from ", command.name)),
          " -l ", name, " -d ", Quoted(flag->Help()), "\n");
    }
  }
  add_command("completion", "print a script that completes commands and flags");
  return script +
         "complete -c cooper -n '__fish_seen_subcommand_from completion'"
         " -f -a 'bash zsh fish'\n";
}

}  // namespace

absl::StatusOr<std::string> CompletionScript(
    absl::string_view shell, const std::vector<Command>& commands) {
  if (shell == "bash") return ForBash(commands);
  if (shell == "zsh") {
    return absl::StrCat("autoload -U +X bashcompinit && bashcompinit\n",
                        ForBash(commands));
  }
  if (shell == "fish") return ForFish(commands);
  return absl::InvalidArgumentError(
      "completion takes one of bash, zsh and fish");
}

}  // namespace cooper::client
