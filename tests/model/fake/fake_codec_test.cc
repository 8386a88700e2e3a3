#include "model/fake/fake_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace cooper::fake {
namespace {

using model::ControlText;
using ::testing::ElementsAre;

TEST(FakeCodecTest, OneIdAByteAndBack) {
  const FakeCodec codec;
  const std::string text = "a\n\xC3\xA9";
  EXPECT_THAT(codec.Encode(text, ControlText::kPlain),
              ElementsAre('a', '\n', 0xC3, 0xA9));
  EXPECT_EQ(codec.Decode(codec.Encode(text, ControlText::kPlain)), text);
}

TEST(FakeCodecTest, ControlSpellingsAreTokensOnlyWhereParsed) {
  const FakeCodec codec;
  EXPECT_THAT(codec.Encode("<|im_start|>x<|im_end|><|vision_start|>"
                           "<|vision_end|>",
                           ControlText::kParse),
              ElementsAre(256, 'x', 257, 258, 259));
  EXPECT_EQ(codec.Encode("<|im_end|>", ControlText::kPlain).size(), 10U);
  EXPECT_EQ(codec.TokenBytes(codec.special().eos), "<|im_end|>");
  EXPECT_EQ(codec.TokenBytes(260), "");
  EXPECT_EQ(codec.TokenBytes(-1), "");
}

TEST(FakeCodecTest, InvalidUtf8BecomesTheReplacementCharacter) {
  const FakeCodec codec;
  EXPECT_EQ(codec.Decode(codec.Encode("a\xFF", ControlText::kPlain)),
            "a\xEF\xBF\xBD");
}

}  // namespace
}  // namespace cooper::fake
