#include "client/cli/args.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>

#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/text.h"

namespace cooper::client {
namespace {

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

}  // namespace

absl::StatusOr<Args> ParseArgs(const std::vector<std::string>& arguments,
                               const FlagNames& known) {
  Args args;
  bool flags_ended = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    if (flags_ended || !absl::ConsumePrefix(&argument, "--")) {
      if (!flags_ended && argument == "-h") {
        args.help = true;
      } else {
        args.positional.emplace_back(argument);
      }
      continue;
    }
    if (argument.empty()) {
      flags_ended = true;
      continue;
    }
    if (argument == "help") {
      args.help = true;
      continue;
    }
    const size_t equals = argument.find('=');
    absl::string_view name = argument.substr(0, equals);
    std::optional<std::string> value;
    if (equals != absl::string_view::npos) {
      value = std::string(argument.substr(equals + 1));
    }
    absl::CommandLineFlag* flag = Find(name, known);
    if (flag == nullptr && !value.has_value() && absl::StartsWith(name, "no")) {
      flag = Find(name.substr(2), known);
      if (flag != nullptr && IsSwitch(*flag)) {
        value = "false";
      } else {
        flag = nullptr;
      }
    }
    if (flag == nullptr) return Unknown(name, known);
    if (!value.has_value() && IsSwitch(*flag)) value = "true";
    if (!value.has_value()) {
      if (i + 1 == arguments.size()) {
        return absl::InvalidArgumentError(
            absl::StrCat("--", flag->Name(), " needs a value"));
      }
      value = arguments[++i];
    }
    std::string error;
    // An empty value would unset an optional flag; nobody means that.
    const bool empty = value->empty() && !flag->IsOfType<std::string>();
    if (empty || !flag->ParseFrom(*value, &error)) {
      return absl::InvalidArgumentError(absl::StrCat("--", flag->Name(), ": \"",
                                                     Printable(*value),
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
