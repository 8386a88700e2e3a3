#include "model/tokenizer/merges.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/logging.h"
#include "base/status_macros.h"

namespace cooper::tokenizer {

absl::Status Invalid(absl::string_view file, absl::string_view entry,
                     absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(file, ": ", base::Printable(entry), ": ", what));
}

absl::Status ReadMerge(absl::string_view line, absl::string_view entry,
                       TokenizerFiles* out) {
  const std::vector<std::string> parts = absl::StrSplit(line, ' ');
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
    return Invalid(out->merges_file, entry,
                   "must be two tokens and a space between them");
  }
  out->merges.emplace_back(parts[0], parts[1]);
  return absl::OkStatus();
}

absl::Status ReadMergesText(const std::string& text, TokenizerFiles* out) {
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripSuffix(line, "\r");
    if (line.empty() || (number == 1 && absl::StartsWith(line, "#version"))) {
      continue;
    }
    COOPER_RETURN_IF_ERROR(ReadMerge(line, absl::StrCat("line ", number), out));
  }
  return absl::OkStatus();
}

}  // namespace cooper::tokenizer
