#include "model/tokenizer/bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>
#include <vector>

namespace cooper::tokenizer {
namespace {

using model::TokenId;
using ::testing::ElementsAre;
using Word = std::vector<TokenId>;

Word Apply(const Bpe& bpe, const Word& word) {
  Bpe::Scratch scratch;
  Word out;
  bpe.Apply(word, &scratch, &out);
  return out;
}

TEST(Bpe, MergesTheLowestRankFirst) {
  Bpe bpe;
  bpe.AddMerge(2, 3, 10);
  bpe.AddMerge(1, 2, 11);
  bpe.AddMerge(1, 10, 12);
  EXPECT_THAT(Apply(bpe, {1, 2}), ElementsAre(11));
  EXPECT_THAT(Apply(bpe, {1, 2, 3}), ElementsAre(12));
  EXPECT_THAT(Apply(bpe, {1, 2, 1, 2, 3}), ElementsAre(11, 12));
}

TEST(Bpe, MergesEqualRanksFromTheLeft) {
  Bpe bpe;
  bpe.AddMerge(1, 1, 2);
  EXPECT_THAT(Apply(bpe, {1, 1, 1}), ElementsAre(2, 1));
  EXPECT_THAT(Apply(bpe, {1, 1, 1, 1, 1}), ElementsAre(2, 2, 1));
}

TEST(Bpe, LeavesWhatHasNoMerge) {
  Bpe bpe;
  bpe.AddMerge(1, 2, 3);
  EXPECT_THAT(Apply(bpe, {}), ElementsAre());
  EXPECT_THAT(Apply(bpe, {1}), ElementsAre(1));
  EXPECT_THAT(Apply(bpe, {2, 1}), ElementsAre(2, 1));
}

TEST(Bpe, AppendsToTheOutput) {
  Bpe bpe;
  bpe.AddMerge(1, 2, 3);
  Bpe::Scratch scratch;
  Word out = {9};
  bpe.Apply({1, 2}, &scratch, &out);
  bpe.Apply({2}, &scratch, &out);
  EXPECT_THAT(out, ElementsAre(9, 3, 2));
}

// The textbook's way: as long as there is a pair, all of the lowest rank.
Word ApplySlowly(const std::map<std::pair<TokenId, TokenId>, int>& ranks,
                 TokenId first_result, Word word) {
  for (;;) {
    int best = -1;
    for (size_t i = 0; i + 1 < word.size(); ++i) {
      const auto found = ranks.find({word[i], word[i + 1]});
      if (found != ranks.end() && (best < 0 || found->second < best)) {
        best = found->second;
      }
    }
    if (best < 0) return word;
    Word next;
    for (size_t i = 0; i < word.size(); ++i) {
      const auto found = i + 1 < word.size()
                             ? ranks.find({word[i], word[i + 1]})
                             : ranks.end();
      if (found != ranks.end() && found->second == best) {
        next.push_back(first_result + best);
        ++i;
      } else {
        next.push_back(word[i]);
      }
    }
    word = next;
  }
}

TEST(Bpe, AgreesWithTheTextbookOnRandomWords) {
  std::mt19937 random(1);
  const auto below = [&](int n) {
    return std::uniform_int_distribution<TokenId>(0, n - 1)(random);
  };
  constexpr TokenId kLetters = 4;
  for (int round = 0; round < 50; ++round) {
    // As in training, a merge joins tokens that came before it.
    std::map<std::pair<TokenId, TokenId>, int> ranks;
    Bpe bpe;
    int made = 0;
    while (made < 30) {
      const TokenId left = below(kLetters + made);
      const TokenId right = below(kLetters + made);
      if (!ranks.emplace(std::pair(left, right), made).second) continue;
      bpe.AddMerge(left, right, kLetters + made++);
    }
    for (int i = 0; i < 50; ++i) {
      Word word(below(40));
      for (TokenId& id : word) id = below(kLetters);
      ASSERT_EQ(Apply(bpe, word), ApplySlowly(ranks, kLetters, word));
    }
  }
}

}  // namespace
}  // namespace cooper::tokenizer
