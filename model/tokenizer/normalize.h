#ifndef COOPER_MODEL_TOKENIZER_NORMALIZE_H_
#define COOPER_MODEL_TOKENIZER_NORMALIZE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace cooper::tokenizer {

// `text` as valid UTF-8 (invalid parts become U+FFFD) in Unicode's NFC.
// O(n log n), also for text that is one long run of combining marks.
std::string NormalizeNfc(absl::string_view text);

}  // namespace cooper::tokenizer

#endif  // COOPER_MODEL_TOKENIZER_NORMALIZE_H_
