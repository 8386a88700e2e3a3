#ifndef COOPER_TESTS_MODEL_TOKENIZER_SMALL_TOKENIZER_H_
#define COOPER_TESTS_MODEL_TOKENIZER_SMALL_TOKENIZER_H_

#include <nlohmann/json.hpp>
#include <string>

#include "model/tokenizer/byte_alphabet.h"
#include "tests/model/checkpoint/temp_directory.h"

// The files of a tokenizer of 257 tokens and four special ones.

namespace cooper::tokenizer {

using nlohmann::json;

// A vocabulary of the 256 bytes and " a".
inline json SmallVocabulary() {
  json vocabulary;
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[SpellingOfByte(static_cast<unsigned char>(byte))] = byte;
  }
  vocabulary["\u0120a"] = 256;
  return vocabulary;
}

// The four special tokens with ids from 257 on: eos, bos, soi, eoi.
inline json SmallAddedTokens() {
  return {{"<|im_end|>", 257},
          {"<|im_start|>", 258},
          {"<|vision_start|>", 259},
          {"<|vision_end|>", 260}};
}

// `tokens` as tokenizer_config.json has them.
inline json AsDecoder(const json& tokens) {
  json decoder;
  for (const auto& [text, id] : tokens.items()) {
    decoder[std::to_string(id.get<int>())] = {{"content", text}};
  }
  return {{"added_tokens_decoder", decoder}};
}

// The three files; a test spoils one of them.
struct SlowFiles {
  json vocabulary = SmallVocabulary();
  std::string merges = "#version: 0.2\n\u0120 a\n";
  json config = AsDecoder(SmallAddedTokens());

  void Write(const testing::TempDirectory& directory) const {
    directory.Write("vocab.json", vocabulary.dump());
    directory.Write("merges.txt", merges);
    directory.Write("tokenizer_config.json", config.dump());
  }
};

}  // namespace cooper::tokenizer

#endif  // COOPER_TESTS_MODEL_TOKENIZER_SMALL_TOKENIZER_H_
