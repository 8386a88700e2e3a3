#ifndef COOPER_MODEL_TOKENIZER_BYTE_ALPHABET_H_
#define COOPER_MODEL_TOKENIZER_BYTE_ALPHABET_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace cooper::tokenizer {

// The printable spelling of bytes that GPT-2 began: every byte is one
// character; printable Latin-1 stands for itself, the other 68 bytes are
// U+0100 and up in their order (a space is U+0120).

// Bytes that `spelling` stands for; nullopt if a character of it is none of
// the 256, or it is not UTF-8.
std::optional<std::string> BytesOfSpelling(absl::string_view spelling);

// The character, as UTF-8, that stands for `byte`.
std::string SpellingOfByte(unsigned char byte);

}  // namespace cooper::tokenizer

#endif  // COOPER_MODEL_TOKENIZER_BYTE_ALPHABET_H_
