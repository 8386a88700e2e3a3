#include "server/engine/program/tags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "server/engine/program/program.h"

namespace cooper::engine {
namespace {

using model::MapKind;
using ::testing::Eq;
using ::testing::Optional;

TEST(TagsTest, CutsAtTheFirstEndAndThenAtTheSecondStart) {
  const struct {
    const char* raw;
    const char* cut;
  } cases[] = {
      {"plain", "plain"},
      {"", ""},
      {"a<|im_end|>b", "a"},
      {"a<|im_start|>b", "a"},
      {"a<|im_start|>b<|im_end|>c", "a"},
      {"a<|im_end|>b<|im_start|>c", "a"},
      {"<|im_end|>a", ""},
      {"a<|im_en|>b <|im_end", "a<|im_en|>b <|im_end"},
  };
  for (const auto& c : cases) EXPECT_EQ(CutText(c.raw), c.cut) << c.raw;
}

TEST(TagsTest, FindsAnAnswerOnlyWhereItsTagIsClosed) {
  EXPECT_TRUE(HasAnswer("x <answer> yes </answer> y"));
  EXPECT_TRUE(HasAnswer("<answer>\nthe\nchair\n</answer>"));
  EXPECT_TRUE(HasAnswer("<answer></answer>"));
  EXPECT_TRUE(HasAnswer("</answer><answer></answer>"));
  EXPECT_FALSE(HasAnswer("<answer> yes"));
  EXPECT_FALSE(HasAnswer("</answer><answer>"));
  EXPECT_FALSE(HasAnswer("<Answer> yes </Answer>"));
  EXPECT_FALSE(HasAnswer("< answer> yes </answer>"));
}

TEST(TagsTest, FindsTheFirstShortestRequest) {
  const struct {
    const char* text;
    std::optional<MapKind> kind;
    const char* match;
  } cases[] = {
      {"none", std::nullopt, ""},
      {"<depth-estimation>a</depth-estimation>", MapKind::kDepth,
       "<depth-estimation>a</depth-estimation>"},
      {"<segmentation>\na\n</segmentation>", MapKind::kSegmentation,
       "<segmentation>\na\n</segmentation>"},
      {"<segmentation>s</segmentation><depth-estimation>d</depth-estimation>",
       MapKind::kDepth, "<depth-estimation>d</depth-estimation>"},
      {"<depth-estimation>1</depth-estimation> "
       "<depth-estimation>2</depth-estimation>",
       MapKind::kDepth, "<depth-estimation>1</depth-estimation>"},
      {"<depth-estimation><depth-estimation>x</depth-estimation>",
       MapKind::kDepth,
       "<depth-estimation><depth-estimation>x</depth-estimation>"},
      {"<depth-estimation> open <segmentation>s</segmentation>",
       MapKind::kSegmentation, "<segmentation>s</segmentation>"},
      {"</depth-estimation><depth-estimation> x", std::nullopt, ""},
      {"<Depth-Estimation>x</Depth-Estimation>", std::nullopt, ""},
  };
  for (const auto& c : cases) {
    const std::optional<MapRequest> request = FindMapRequest(c.text);
    ASSERT_EQ(request.has_value(), c.kind.has_value()) << c.text;
    if (!request.has_value()) continue;
    EXPECT_EQ(request->kind, *c.kind) << c.text;
    EXPECT_EQ(request->match, c.match) << c.text;
  }
  EXPECT_EQ(FindMapRequest("<segmentation> s </segmentation>")->content, " s ");
}

TEST(TagsTest, RequestWordsAreTheTagsContentOrTheWholeText) {
  EXPECT_EQ(RequestWords("x <segmentation> all of it </segmentation> y"),
            "all of it");
  EXPECT_EQ(RequestWords("  draw a chair\n"), "draw a chair");
}

TEST(TagsTest, RemovesEveryExactRepeatOfTheMatchAndNothingElse) {
  EXPECT_EQ(WithoutMatch("<t>1</t> and <t>1</t> or <t>2</t>", "<t>1</t>"),
            " and  or <t>2</t>");
  EXPECT_EQ(WithoutMatch("aaa", "aa"), "a");
  EXPECT_EQ(WithoutMatch("abc", "x"), "abc");
  EXPECT_EQ(WithoutMatch("abc", ""), "abc");
}

TEST(TagsTest, StripsWhatPythonStrips) {
  EXPECT_EQ(StripText(" \t\r\n\v\f a b \x1c\x1f"), "a b");
  EXPECT_EQ(StripText("\u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f"
                      "\u3000x\u3000"),
            "x");
  // A zero-width space, a byte order mark and U+180E are no white space.
  EXPECT_EQ(StripText("\u200bx\ufeff"), "\u200bx\ufeff");
  EXPECT_EQ(StripText("\u180ex"), "\u180ex");
  EXPECT_EQ(StripText(" \n "), "");
  EXPECT_EQ(StripText(""), "");
  EXPECT_EQ(StripText("\u00e9"), "\u00e9");
  EXPECT_EQ(StripText("\U0001F600 "), "\U0001F600");
}

TEST(TagsTest, FindsTheLastBoxWhoseBracesBalance) {
  const struct {
    const char* text;
    std::optional<std::string> boxed;
  } cases[] = {
      {"no box", std::nullopt},
      {"\\boxed{A}", "A"},
      {"\\boxed{A} then \\boxed{B}.", "B"},
      {"\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"},
      {"\\boxed{A} and \\boxed{B", "A"},
      {"\\boxed{}", ""},
      {"\\boxed {A}", std::nullopt},
      {"\\boxed{\\boxed{A}}", "A"},
      {"\\boxed{{}}", "{}"},
      {"\\boxed{ A }", "A"},
      {"\\boxed{\n\u3000left of it\t}", "left of it"},
      {"\\boxed{ }", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(FindBoxed(c.text), c.boxed) << c.text;
}

TEST(TagsTest, AnswersWithoutTagsThoughtsAndRequests) {
  const struct {
    const char* text;
    const char* answer;
  } cases[] = {
      {"", ""},
      {" four ", "four"},
      {"<think> a </think>\n<answer> b </answer>\n", "b"},
      {"<answer>b</answer> c", "b"},
      {"<think>a</think> b", "b"},
      {"<answer>b</answer><answer>c</answer>", "b"},
      {"<answer> cut", "cut"},
      {"<answer></answer>", ""},
      {"<think>a</think><depth-estimation>d</depth-estimation>", ""},
      {"so <segmentation>s</segmentation> b", "so  b"},
      {"so <segmentation> all the", "so"},
      // Spelt within a thought, where they mean nothing.
      {"<think>in <answer>a</answer>?</think><answer>b</answer>", "b"},
      {"<think>I need <answer> here</think><answer>b</answer>", "b"},
      {"<think>in <answer>a</answer>?</think> b", "b"},
      {"<think>a <depth-estimation> b</think>c", "c"},
      // A thought that is not closed: only a whole answer is one.
      {"<think>a<answer>b</answer>", "b"},
      {"<think>a <answer> b", ""},
      {"<think>a \\boxed{b}", ""},
      // Within an answer.
      {"<answer>a<think>t</think>b</answer>", "ab"},
      {"<answer>a<think>t</answer>", "a"},
      {"<answer><answer>a</answer></answer>", "a"},
      {"<answer>by <segmentation> it is b</answer>", "by  it is b"},
      {"a</think>b", "ab"},
      {"<Answer>b</Answer>", "<Answer>b</Answer>"},
  };
  for (const auto& c : cases) EXPECT_EQ(AnswerText(c.text), c.answer) << c.text;
}

TEST(TagsTest, TheBoxIsTheAnswers) {
  const struct {
    const char* text;
    std::optional<std::string> boxed;
  } cases[] = {
      {"<think>\\boxed{A}</think><answer>I do not know.</answer>",
       std::nullopt},
      {"<think>\\boxed{A}</think><answer>It is \\boxed{ B }.</answer>", "B"},
      {"<answer>\\boxed{B}</answer> or \\boxed{C}", "B"},
      {"<think>maybe \\boxed{A}", std::nullopt},
      {"<think>a</think> so \\boxed{B}", "B"},
      {"four \\boxed{4}", "4"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(FinishOf(FinishReason::kAnswered, c.text).boxed, c.boxed)
        << c.text;
  }
}

}  // namespace
}  // namespace cooper::engine
