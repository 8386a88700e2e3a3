#ifndef COOPER_MODEL_TOKENIZER_TOKENIZER_FILES_H_
#define COOPER_MODEL_TOKENIZER_TOKENIZER_FILES_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint/file_lookup.h"
#include "model/text_codec.h"

namespace cooper::tokenizer {

// Spellings of bos, eos, soi and eoi.
constexpr const char* kSpecialSpellings[] = {
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"};

// An id above that of any public tokenizer: keeps a wrong id from becoming a
// large table.
constexpr int64_t kMaxVocabulary = int64_t{1} << 24;

// What the files of a tokenizer say, in any of their formats, checked entry by
// entry: ids in range, spellings of the byte alphabet, no id twice.
struct TokenizerFiles {
  std::string vocabulary_file;  // for messages
  std::string merges_file;
  // Where ids of added tokens were looked for, for messages.
  std::vector<std::string> sources;
  // By the printable spelling of the token's bytes.
  std::map<std::string, model::TokenId> vocabulary;
  // Pairs of printable spellings, in order of rank. Not empty.
  std::vector<std::pair<std::string, std::string>> merges;
  // By exact text.
  std::map<std::string, model::TokenId> added;
};

// Reads, of the last of `directories` that has a vocabulary, vocab.json and
// merges.txt, else tokenizer.json. Added tokens come from the
// added_tokens_decoder of tokenizer_config.json, from added_tokens.json and,
// where that gives none or not the special ones, from tokenizer.json; what
// tokenizer_config.json and special_tokens_map.json only name is an added token
// if the vocabulary has it. Of each of those files the last directory's counts.
//
// Ids are below `vocabulary_size`. NOT_FOUND or INVALID_ARGUMENT name file and
// entry; files that give one token different ids are INVALID_ARGUMENT.
absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(
    const checkpoint::Directories& directories,
    int64_t vocabulary_size = kMaxVocabulary);

}  // namespace cooper::tokenizer

#endif  // COOPER_MODEL_TOKENIZER_TOKENIZER_FILES_H_
