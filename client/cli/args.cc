#include "client/cli/args.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/flags/reflection.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "client/text.h"

namespace cooper::client {
namespace {

constexpr std::pair<absl::string_view, absl::string_view> kShort[] = {
    {"-h", "help"}, {"-q", "quiet"}, {"-s", "server"}, {"-o", "out"}};

absl::CommandLineFlag* Find(absl::string_view name, const FlagNames& known) {
  const bool found = std::any_of(known.begin(), known.end(),
                                 [&](const char* k) { return name == k; });
  return found ? absl::FindCommandLineFlag(name) : nullptr;
}

bool IsSwitch(const absl::CommandLineFlag& flag) {
  return flag.IsOfType<bool>() || flag.IsOfType<std::optional<bool>>();
}

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

absl::Status Unknown(absl::string_view name, const FlagNames& known) {
  const auto nearest = std::min_element(
      known.begin(), known.end(), [&](const char* a, const char* b) {
        return EditDistance(name, a) < EditDistance(name, b);
      });
  std::string hint;
  if (nearest != known.end() && EditDistance(name, *nearest) <= 3) {
    hint = absl::StrCat(" (did you mean --", *nearest, "?)");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no flag --", Printable(name), hint));
}

// "-" is standard input, and "-5" a number.
bool LooksLikeAFlag(absl::string_view argument) {
  return argument.size() > 1 && argument[0] == '-' &&
         (argument[1] == '-' || absl::ascii_isalpha(argument[1]));
}

// A flag as it is written: its name with underscores, and its value.
struct GivenFlag {
  std::string name;
  std::optional<std::string> value;
};

absl::StatusOr<GivenFlag> Given(absl::string_view argument) {
  GivenFlag given;
  const size_t equals = argument.find('=');
  if (equals != absl::string_view::npos) {
    given.value = std::string(argument.substr(equals + 1));
  }
  absl::string_view name = argument.substr(0, equals);
  if (absl::ConsumePrefix(&name, "--")) {
    given.name = absl::StrReplaceAll(name, {{"-", "_"}});
    return given;
  }
  for (const auto& [letter, meant] : kShort) {
    if (name == letter) {
      given.name = std::string(meant);
      return given;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "there is no flag ", Printable(name), " (\"--\" ends the flags)"));
}

}  // namespace

absl::StatusOr<Args> ParseArgs(const std::vector<std::string>& arguments,
                               const FlagNames& known) {
  Args args;
  bool flags_ended = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (flags_ended || !LooksLikeAFlag(argument)) {
      args.positional.push_back(argument);
      continue;
    }
    if (argument == "--") {
      flags_ended = true;
      continue;
    }
    COOPER_ASSIGN_OR_RETURN(GivenFlag given, Given(argument));
    bool* const own = given.name == "help"      ? &args.help
                      : given.name == "version" ? &args.version
                      : given.name == "quiet"   ? &args.quiet
                                                : nullptr;
    if (own != nullptr && !given.value.has_value()) {
      *own = true;
      continue;
    }
    absl::CommandLineFlag* flag = Find(given.name, known);
    absl::string_view off = given.name;  // --noNAME or --no-NAME
    if (flag == nullptr && !given.value.has_value() &&
        absl::ConsumePrefix(&off, "no")) {
      absl::ConsumePrefix(&off, "_");
      flag = Find(off, known);
      if (flag != nullptr && IsSwitch(*flag)) {
        given.value = "false";
      } else {
        flag = nullptr;
      }
    }
    if (flag == nullptr) return Unknown(given.name, known);
    if (!given.value.has_value() && IsSwitch(*flag)) given.value = "true";
    if (!given.value.has_value()) {
      if (i + 1 == arguments.size()) {
        return absl::InvalidArgumentError(
            absl::StrCat("--", flag->Name(), " needs a value"));
      }
      given.value = arguments[++i];
    }
    std::string error;
    // An empty value would unset an optional flag, which is never meant.
    const bool empty = given.value->empty() && !flag->IsOfType<std::string>();
    if (empty || !flag->ParseFrom(*given.value, &error)) {
      return absl::InvalidArgumentError(absl::StrCat("--", flag->Name(), ": \"",
                                                     Printable(*given.value),
                                                     "\" is no value for it"));
    }
    args.given_flags.emplace_back(flag->Name());
  }
  return args;
}

absl::Status CheckFlags(const Args& args, const std::string& command,
                        const FlagNames& allowed) {
  for (const std::string& name : args.given_flags) {
    if (Find(name, allowed) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"cooper ", command, "\" takes no --", name));
    }
  }
  return absl::OkStatus();
}

}  // namespace cooper::client
