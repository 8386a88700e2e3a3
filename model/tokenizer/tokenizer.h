#ifndef COOPER_MODEL_TOKENIZER_TOKENIZER_H_
#define COOPER_MODEL_TOKENIZER_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/text_codec.h"
#include "model/tokenizer/tokenizer_files.h"

namespace cooper::tokenizer {

// Qwen2's byte-level BPE (model-spec section 3). Immutable after Load,
// thread-safe.
class Tokenizer final : public model::TextCodec {
 public:
  struct Options {
    // The model's; ids are below it. At most kMaxVocabulary.
    int64_t vocabulary_size = kMaxVocabulary;
    // Ids of added tokens to take in place of those of the usual spellings.
    std::optional<model::SpecialTokens> special;
  };
  // As ReadTokenizerFiles. NOT_FOUND: no file gives one of the special tokens
  // an id; INVALID_ARGUMENT: the merges leave out tokens of the vocabulary, or
  // `options.special` is not four added tokens.
  static absl::StatusOr<std::unique_ptr<const Tokenizer>> Load(
      const checkpoint::Directories& directories, const Options& options);
  static absl::StatusOr<std::unique_ptr<const Tokenizer>> Load(
      const std::string& directory);
  ~Tokenizer() override;

  std::vector<model::TokenId> Encode(absl::string_view utf8,
                                     model::ControlText control) const override;
  std::string TokenBytes(model::TokenId id) const override;
  const model::SpecialTokens& special() const override;
  // Number of entries (added tokens included): the restricted vocabulary.
  int64_t size() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace cooper::tokenizer

#endif  // COOPER_MODEL_TOKENIZER_TOKENIZER_H_
