#ifndef COOPER_MODEL_TOKENIZER_TOKENIZER_FILES_H_
#define COOPER_MODEL_TOKENIZER_TOKENIZER_FILES_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/text_codec.h"

namespace cooper::tokenizer {

// What the files of a tokenizer say, in either of their formats, checked entry
// by entry: ids in range, spellings of the byte alphabet, no id twice.
struct TokenizerFiles {
  std::string vocabulary_file;  // for messages
  std::string merges_file;
  // By the printable spelling of the token's bytes.
  std::map<std::string, model::TokenId> vocabulary;
  // Pairs of printable spellings, in order of rank.
  std::vector<std::pair<std::string, std::string>> merges;
  // By exact text.
  std::map<std::string, model::TokenId> added;
};

// NOT_FOUND or INVALID_ARGUMENT name file and entry.
absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(const std::string& directory);

}  // namespace cooper::tokenizer

#endif  // COOPER_MODEL_TOKENIZER_TOKENIZER_FILES_H_
