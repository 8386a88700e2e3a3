#ifndef COOPER_BASE_UTF8_H_
#define COOPER_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace cooper::base {

// How the bytes at the start of a text read as UTF-8 (Unicode Standard, table
// 3-7: no overlong forms, no surrogates, at most U+10FFFF).
struct Utf8Sequence {
  enum Kind {
    kValid,      // one character
    kInvalid,    // one maximal part that U+FFFD stands for
    kUnfinished  // the text ends within a character
  } kind = kInvalid;
  size_t length = 0;  // bytes, at least 1
  uint32_t code = 0;  // of kValid: the code point
};

// `text` must not be empty.
Utf8Sequence NextUtf8(absl::string_view text);

// Whether `text` is well-formed UTF-8.
bool IsUtf8(absl::string_view text);

// Whether the code point is a control character: below U+0020, or U+007F to
// U+009F.
bool IsControl(uint32_t code);

// Whether `text` shows nothing: whitespace of any kind, control characters and
// characters of no width (U+200B, U+FEFF, ...) only. Empty text shows nothing.
bool IsBlank(absl::string_view text);

}  // namespace cooper::base

#endif  // COOPER_BASE_UTF8_H_
