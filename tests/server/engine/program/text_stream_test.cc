#include "server/engine/program/text_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "model/fake/fake_codec.h"
#include "server/engine/program/tags.h"

namespace cooper::engine {
namespace {

using ::testing::ElementsAre;

using Deltas = std::vector<TextDelta>;

// Adjacent deltas of one channel as one.
Deltas Joined(const std::vector<Deltas>& pieces) {
  Deltas joined;
  for (const Deltas& piece : pieces) {
    for (const TextDelta& delta : piece) {
      if (joined.empty() || joined.back().channel != delta.channel) {
        joined.push_back({delta.channel, ""});
      }
      joined.back().text += delta.text;
    }
  }
  return joined;
}

Deltas Parse(const std::vector<std::string>& pieces,
             TextChannel start = TextChannel::kPlain) {
  TextChannelParser parser(start);
  std::vector<Deltas> out;
  out.reserve(pieces.size() + 1);
  for (const std::string& piece : pieces) out.push_back(parser.Push(piece));
  out.push_back(parser.Finish());
  return Joined(out);
}

Deltas ParseBytes(const std::string& text) {
  std::vector<std::string> bytes;
  for (const char c : text) bytes.emplace_back(1, c);
  return Parse(bytes);
}

constexpr TextChannel kThink = TextChannel::kThink;
constexpr TextChannel kRequest = TextChannel::kPerceptionRequest;
constexpr TextChannel kAnswer = TextChannel::kAnswer;
constexpr TextChannel kPlain = TextChannel::kPlain;

const struct Case {
  const char* text;
  Deltas deltas;
} kCases[] = {
    {"hello", {{kPlain, "hello"}}},
    {"", {}},
    {"<think> a </think>\n<answer>b</answer>",
     {{kThink, " a "}, {kPlain, "\n"}, {kAnswer, "b"}}},
    {"<think>a</think><depth-estimation>d</depth-estimation>",
     {{kThink, "a"}, {kRequest, "d"}}},
    {"<segmentation>s</segmentation> x", {{kRequest, "s"}, {kPlain, " x"}}},
    // Malformed: unclosed, closed twice, never opened, nested, misspelt.
    {"<think>a", {{kThink, "a"}}},
    {"a</think>b", {{kPlain, "ab"}}},
    {"<think>a</think></think>b", {{kThink, "a"}, {kPlain, "b"}}},
    {"<think>a<think>b</think>c", {{kThink, "ab"}, {kPlain, "c"}}},
    // Spelt within a thought or an answer.
    {"<think>a<segmentation>s</segmentation>b</think>c",
     {{kThink, "a<segmentation>s</segmentation>b"}, {kPlain, "c"}}},
    {"<think>a<segmentation>s</think>c",
     {{kThink, "a<segmentation>s"}, {kPlain, "c"}}},
    {"<think>I need <answer> or </answer>.</think><answer>b</answer>",
     {{kThink, "I need <answer> or </answer>."}, {kAnswer, "b"}}},
    {"<think></depth-estimation></think>", {{kThink, "</depth-estimation>"}}},
    {"<answer>by <segmentation> b</answer>c",
     {{kAnswer, "by <segmentation> b"}, {kPlain, "c"}}},
    {"<depth-estimation>d<think>a</depth-estimation>b",
     {{kRequest, "d"}, {kThink, "a"}, {kPlain, "b"}}},
    {"<answer>a<think>b</answer>c",
     {{kAnswer, "a"}, {kThink, "b"}, {kPlain, "c"}}},
    {"<Think>a<thin>b<<think>c", {{kPlain, "<Think>a<thin>b<"}, {kThink, "c"}}},
    {"1 < 2 <", {{kPlain, "1 < 2 <"}}},
    {"<think", {{kPlain, "<think"}}},
    {"a</answ", {{kPlain, "a</answ"}}},
};

TEST(TextChannelParserTest, SplitsTextIntoChannelsAndDropsTags) {
  for (const Case& c : kCases) EXPECT_EQ(Parse({c.text}), c.deltas) << c.text;
}

TEST(TextChannelParserTest, EverySplitInTwoGivesTheSame) {
  for (const Case& c : kCases) {
    const std::string text = c.text;
    for (size_t at = 0; at <= text.size(); ++at) {
      EXPECT_EQ(Parse({text.substr(0, at), text.substr(at)}), c.deltas)
          << text << " at " << at;
    }
  }
}

TEST(TextChannelParserTest, ByteByByteGivesTheSame) {
  for (const Case& c : kCases)
    EXPECT_EQ(ParseBytes(c.text), c.deltas) << c.text;
}

TEST(TextChannelParserTest, HoldsBackOnlyWhatMayBecomeATag) {
  TextChannelParser parser;
  EXPECT_THAT(parser.Push("a <thi"), ElementsAre(TextDelta{kPlain, "a "}));
  EXPECT_THAT(parser.Push("s"), ElementsAre(TextDelta{kPlain, "<this"}));
  EXPECT_THAT(parser.Push("<"), ElementsAre());
  EXPECT_THAT(parser.Push("answer>"), ElementsAre());
  EXPECT_THAT(parser.Push("b"), ElementsAre(TextDelta{kAnswer, "b"}));
}

TEST(TextChannelParserTest, AStartChannelEndsAtItsClosingTag) {
  EXPECT_EQ(Parse({" yes </answer> more"}, kAnswer),
            (Deltas{{kAnswer, " yes "}, {kPlain, " more"}}));
}

TEST(TextChannelParserTest, AStartChannelIsNotOpenedTwice) {
  EXPECT_EQ(Parse({"<answer> yes </answer> more"}, kAnswer),
            (Deltas{{kAnswer, " yes "}, {kPlain, " more"}}));
}

TEST(TextStreamTest, EndsAtAControlSpellingHoweverTheTokensFall) {
  const fake::FakeCodec codec;
  for (const std::string text :
       {"<think>a</think>b<|im_end|>c", "x<|im_start|>y", "x<|im_e",
        "\xC3\xA9<|", "tail\xF0\x9F", "<answer>a</answ<|im_end|>er>"}) {
    TextStream stream(&codec, kPlain);
    std::vector<Deltas> out;
    for (const char c : text) {
      out.push_back(stream.Push(static_cast<unsigned char>(c)));
    }
    out.push_back(stream.Finish());
    model::Utf8Stream utf8;
    std::string decoded = utf8.Push(text);
    decoded += utf8.Finish();
    const std::string whole = CutText(decoded);
    EXPECT_EQ(Joined(out), Parse({whole})) << text;
    EXPECT_EQ(stream.ended(), whole.size() < decoded.size()) << text;
  }
}

TEST(TextStreamTest, SendsWholeCharactersOnly) {
  const fake::FakeCodec codec;
  TextStream stream(&codec, kPlain);
  EXPECT_THAT(stream.Push(0xC3), ElementsAre());
  EXPECT_THAT(stream.Push(0xA9), ElementsAre(TextDelta{kPlain, "\xC3\xA9"}));
}

TEST(TextStreamTest, NothingCountsAfterTheEnd) {
  const fake::FakeCodec codec;
  TextStream stream(&codec, kPlain);
  EXPECT_THAT(stream.Push('a'), ElementsAre(TextDelta{kPlain, "a"}));
  EXPECT_THAT(stream.Push(codec.special().bos), ElementsAre());
  EXPECT_TRUE(stream.ended());
  EXPECT_THAT(stream.Push('b'), ElementsAre());
  EXPECT_THAT(stream.Finish(), ElementsAre());
}

}  // namespace
}  // namespace cooper::engine
