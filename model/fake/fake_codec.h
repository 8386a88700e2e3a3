#ifndef COOPER_MODEL_FAKE_FAKE_CODEC_H_
#define COOPER_MODEL_FAKE_FAKE_CODEC_H_

#include <string>
#include <vector>

#include "model/text_codec.h"

namespace cooper::fake {

// One id a byte (0..255), then the four control tokens.
class FakeCodec final : public model::TextCodec {
 public:
  static constexpr model::SpecialTokens kSpecial{256, 257, 258, 259};

  std::vector<model::TokenId> Encode(absl::string_view utf8,
                                     model::ControlText control) const override;
  std::string TokenBytes(model::TokenId id) const override;
  const model::SpecialTokens& special() const override { return kSpecial; }
};

}  // namespace cooper::fake

#endif  // COOPER_MODEL_FAKE_FAKE_CODEC_H_
