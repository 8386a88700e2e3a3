#ifndef COOPER_MODEL_TEXT_CODEC_H_
#define COOPER_MODEL_TEXT_CODEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace cooper::model {

using TokenId = int32_t;

struct SpecialTokens {
  TokenId bos = 0;  // <|im_start|>
  TokenId eos = 0;  // <|im_end|>
  TokenId soi = 0;  // <|vision_start|>
  TokenId eoi = 0;  // <|vision_end|>
};

// What becomes of spellings such as "<|im_end|>" inside a text: kParse turns
// them into control tokens (upstream's way, for the model's own text), kPlain
// encodes them as the plain text that a user typed.
enum class ControlText { kPlain, kParse };

// Text <-> token ids. Immutable, thread-safe.
class TextCodec {
 public:
  virtual ~TextCodec() = default;

  // Ids of `utf8` without bos and eos. Invalid UTF-8 is taken as U+FFFD.
  virtual std::vector<TokenId> Encode(absl::string_view utf8,
                                      ControlText control) const = 0;

  // The bytes that `id` stands for; they may be part of a UTF-8 sequence.
  // Empty for an id without a token.
  virtual std::string TokenBytes(TokenId id) const = 0;

  virtual const SpecialTokens& special() const = 0;

  // All bytes joined, invalid UTF-8 replaced by U+FFFD.
  std::string Decode(const std::vector<TokenId>& ids) const;
};

// Bytes in pieces to valid UTF-8 in pieces: holds back an unfinished sequence.
// The pieces joined equal the replacement of the bytes joined, wherever they
// were split (U+FFFD per maximal invalid part, as Python's errors="replace").
class Utf8Stream {
 public:
  // Text that is complete now; may be empty.
  std::string Push(absl::string_view bytes);
  // What is left: U+FFFD if a sequence stayed unfinished, else empty.
  std::string Finish();

 private:
  std::string pending_;  // at most 3 bytes
};

}  // namespace cooper::model

#endif  // COOPER_MODEL_TEXT_CODEC_H_
