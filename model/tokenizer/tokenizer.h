#ifndef COOPER_MODEL_TOKENIZER_TOKENIZER_H_
#define COOPER_MODEL_TOKENIZER_TOKENIZER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/text_codec.h"

namespace cooper::tokenizer {

// Qwen2's byte-level BPE (model-spec section 3). Immutable after Load,
// thread-safe.
class Tokenizer final : public model::TextCodec {
 public:
  // Reads vocab.json, merges.txt and tokenizer_config.json, or tokenizer.json.
  // The four special tokens are taken from there; those that are absent get
  // the next free ids, as upstream adds them. NOT_FOUND or INVALID_ARGUMENT
  // name file and entry.
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
