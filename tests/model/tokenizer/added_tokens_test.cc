#include "model/tokenizer/added_tokens.h"

#include <gtest/gtest.h>

namespace cooper::tokenizer {
namespace {

TEST(AddedTokens, FindsTheFirstAndOfThoseTheLongest) {
  AddedTokens tokens;
  tokens.Add("ab", 1);
  tokens.Add("abcd", 2);
  tokens.Add("abc", 3);
  tokens.Add("b", 4);
  const auto match = tokens.Find("xxabcdab", 0);
  EXPECT_EQ(match.begin, 2);
  EXPECT_EQ(match.length, 4);
  EXPECT_EQ(match.id, 2);
  EXPECT_EQ(tokens.Find("xxabcdab", 3).id, 4);
  EXPECT_EQ(tokens.Find("xxabcdab", 6).id, 1);
}

TEST(AddedTokens, FindsNothingInAnUnfinishedSpelling) {
  AddedTokens tokens;
  tokens.Add("<|im_end|>", 1);
  const auto match = tokens.Find("<|im_end|", 0);
  EXPECT_EQ(match.begin, 9);
  EXPECT_EQ(match.length, 0);
}

}  // namespace
}  // namespace cooper::tokenizer
