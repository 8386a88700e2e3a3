#ifndef COOPER_MODEL_TOKENIZER_SPLIT_H_
#define COOPER_MODEL_TOKENIZER_SPLIT_H_

#include <memory>
#include <vector>

#include "absl/strings/string_view.h"

namespace cooper::tokenizer {

// The pattern as tokenizer.json files spell it.
extern const char* const kQwenPattern;

// Splits text into the words of Qwen2's pattern. Immutable, thread-safe.
class WordSplitter {
 public:
  WordSplitter();
  ~WordSplitter();

  // The words of valid UTF-8, in order; joined they are `text`. They point
  // into it.
  std::vector<absl::string_view> Split(absl::string_view text) const;

 private:
  struct Code;
  std::unique_ptr<const Code> code_;
};

}  // namespace cooper::tokenizer

#endif  // COOPER_MODEL_TOKENIZER_SPLIT_H_
