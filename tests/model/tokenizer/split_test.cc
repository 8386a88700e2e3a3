#include "model/tokenizer/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cooper::tokenizer {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Words(const std::string& text) {
  const WordSplitter splitter;
  std::vector<std::string> words;
  for (const absl::string_view word : splitter.Split(text)) {
    words.emplace_back(word);
  }
  return words;
}

TEST(WordSplitter, FollowsQwensPattern) {
  EXPECT_THAT(Words("I'd say it'S 12.5 m"),
              ElementsAre("I", "'d", " say", " it", "'S", " ", "1", "2", ".",
                          "5", " m"));
  EXPECT_THAT(Words("a  b\n\n c  "),
              ElementsAre("a", " ", " b", "\n\n", " c", "  "));
  EXPECT_THAT(Words("x ==\r\n\ty"), ElementsAre("x", " ==\r\n", "\ty"));
  EXPECT_THAT(Words("(word) \u6D4B\u8BD5"),
              ElementsAre("(word", ")", " \u6D4B\u8BD5"));
  EXPECT_THAT(Words("\u0663\u00BD"), ElementsAre("\u0663", "\u00BD"));
  EXPECT_THAT(Words(""), ElementsAre());
}

TEST(WordSplitter, TakesUnicodesSpacesOnly) {
  EXPECT_THAT(Words("a\u3000\u2028b"), ElementsAre("a", "\u3000", "\u2028b"));
  // Unicode took U+180E out of the spaces: as a mark it stays with "!".
  EXPECT_THAT(Words("!\u180E!"), ElementsAre("!\u180E!"));
  EXPECT_THAT(Words("!\u001C!"), ElementsAre("!\u001C!"));
}

TEST(WordSplitter, LosesNothingOfALongText) {
  for (const char* part : {"a", " ", "\n", "!", "\u0301", "1", "a ", " \n"}) {
    std::string text;
    while (text.size() < 1 << 18) text += part;
    std::string joined;
    for (const std::string& word : Words(text)) joined += word;
    EXPECT_EQ(joined, text);
  }
}

}  // namespace
}  // namespace cooper::tokenizer
