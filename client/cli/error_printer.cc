#include "client/cli/error_printer.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/report/html.h"
#include "cooper/client/error.h"

namespace cooper::client {

void PrintError(const absl::Status& status, Console* console) {
  const Error error = Error::FromStatus(status);
  console->Problem(absl::StrCat("cooper: ", error.message));
  for (const Error::FieldViolation& violation : error.violations) {
    const std::string line =
        absl::StrCat(violation.field, ": ", violation.description);
    // Servers like to put the first one into the message, too.
    if (error.message != line) console->Notice("  " + line);
  }
  const std::string code = absl::StatusCodeToString(error.code);
  const bool tells_more = !error.reason.empty() && error.reason != code;
  console->Notice(absl::StrCat("  ", code, tells_more ? ", " : "",
                               tells_more ? error.reason : ""));
  if (error.retry_delay.has_value()) {
    console->Notice(absl::StrCat(
        "  try again in ",
        HumanMilliseconds(absl::ToDoubleMilliseconds(*error.retry_delay))));
  } else if (error.code == absl::StatusCode::kUnavailable &&
             !error.reason.empty()) {
    console->Notice("  try again in a moment");
  }
}

}  // namespace cooper::client
