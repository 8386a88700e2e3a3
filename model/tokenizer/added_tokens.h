#ifndef COOPER_MODEL_TOKENIZER_ADDED_TOKENS_H_
#define COOPER_MODEL_TOKENIZER_ADDED_TOKENS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/text_codec.h"

namespace cooper::tokenizer {

// The tokens that stand outside of the merges and are found in a text by
// their exact spelling. Built once, then thread-safe.
class AddedTokens {
 public:
  // `spelling` must not be empty.
  void Add(std::string spelling, model::TokenId id);

  struct Match {
    size_t begin = 0;
    size_t length = 0;  // 0: none
    model::TokenId id = 0;
  };
  // The first occurrence at or after `from`; the longest of those that begin
  // at one place.
  Match Find(absl::string_view text, size_t from) const;

 private:
  struct Token {
    std::string spelling;
    model::TokenId id;
  };
  std::vector<Token> by_first_byte_[256];  // longest first
};

}  // namespace cooper::tokenizer

#endif  // COOPER_MODEL_TOKENIZER_ADDED_TOKENS_H_
