#ifndef COOPER_MODEL_TOKENIZER_MERGES_H_
#define COOPER_MODEL_TOKENIZER_MERGES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/tokenizer/tokenizer_files.h"

// Parts of tokenizer_files.cc: the list of merges.

namespace cooper::tokenizer {

// "FILE: ENTRY: WHAT" as INVALID_ARGUMENT.
absl::Status Invalid(absl::string_view file, absl::string_view entry,
                     absl::string_view what);

// Adds the merge "left right"; `entry` names it in an error.
absl::Status ReadMerge(absl::string_view line, absl::string_view entry,
                       TokenizerFiles* out);

// Adds the merges of merges.txt, one a line.
absl::Status ReadMergesText(const std::string& text, TokenizerFiles* out);

}  // namespace cooper::tokenizer

#endif  // COOPER_MODEL_TOKENIZER_MERGES_H_
