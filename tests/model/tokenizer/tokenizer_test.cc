#include "model/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"

namespace cooper::tokenizer {
namespace {

using model::ControlText;
using model::TokenId;
using nlohmann::json;
using Ids = std::vector<TokenId>;

const char kNano[] = COOPER_TEST_DATA "/goldens/nano";
const char kDemo[] = COOPER_SOURCE_DIR "/model/demo/checkpoint";

json ReadJson(const std::string& path) {
  std::ifstream in(path);
  return json::parse(in);
}

json Goldens() {
  return ReadJson(COOPER_TEST_DATA "/goldens/cases/tokenizer.json");
}

class TokenizerTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK_AND_ASSIGN(nano_, Tokenizer::Load(kNano)); }
  std::unique_ptr<const Tokenizer> nano_;
};

TEST_F(TokenizerTest, EncodesEveryGoldenText) {
  const json goldens = Goldens();
  int plain_rows = 0;
  for (const json& row : goldens["encode"]) {
    const auto text = row["text"].get<std::string>();
    const Ids ids = nano_->Encode(text, ControlText::kParse);
    EXPECT_EQ(ids, row["ids"].get<Ids>()) << text;
    EXPECT_EQ(nano_->Decode(ids), row["decoded"].get<std::string>()) << text;
    const bool differs = row.contains("plain_ids");
    plain_rows += differs;
    EXPECT_EQ(nano_->Encode(text, ControlText::kPlain),
              row[differs ? "plain_ids" : "ids"].get<Ids>())
        << text;
  }
  EXPECT_GT(plain_rows, 10);
}

TEST_F(TokenizerTest, DecodesEveryGoldenRow) {
  const json goldens = Goldens();
  ASSERT_FALSE(goldens["decode"].empty());
  for (const json& row : goldens["decode"]) {
    EXPECT_EQ(nano_->Decode(row["ids"].get<Ids>()),
              row["text"].get<std::string>());
  }
}

TEST_F(TokenizerTest, KnowsSizeAndSpecialTokens) {
  const json goldens = Goldens();
  EXPECT_EQ(nano_->size(), goldens["vocabulary"].get<int64_t>());
  EXPECT_EQ(nano_->special().bos, 2001);
  EXPECT_EQ(nano_->special().eos, 2002);
  EXPECT_EQ(nano_->special().soi, 2009);
  EXPECT_EQ(nano_->special().eoi, 2010);
}

TEST_F(TokenizerTest, HasNoBytesForIdsWithoutAToken) {
  EXPECT_EQ(nano_->TokenBytes(-1), "");
  EXPECT_EQ(nano_->TokenBytes(2022), "");
  EXPECT_EQ(nano_->TokenBytes(2076), "");
  EXPECT_EQ(nano_->TokenBytes(2002), "<|im_end|>");
}

TEST_F(TokenizerTest, StreamsTheSameTextWhereverItIsCut) {
  const std::string text = "näher 椅子 🪑 e\u0301 done";
  const Ids ids = nano_->Encode(text, ControlText::kPlain);
  const std::string whole = nano_->Decode(ids);
  EXPECT_EQ(whole, "näher 椅子 🪑 \u00E9 done");
  std::string bytes;
  model::Utf8Stream by_token;
  std::string streamed;
  for (const TokenId id : ids) {
    bytes += nano_->TokenBytes(id);
    streamed += by_token.Push(nano_->TokenBytes(id));
  }
  EXPECT_EQ(streamed + by_token.Finish(), whole);
  for (size_t first = 0; first <= bytes.size(); ++first) {
    for (size_t second = first; second <= bytes.size(); ++second) {
      model::Utf8Stream stream;
      std::string out = stream.Push(bytes.substr(0, first));
      out += stream.Push(bytes.substr(first, second - first));
      out += stream.Push(bytes.substr(second));
      out += stream.Finish();
      ASSERT_EQ(out, whole) << first << " " << second;
    }
  }
}

TEST_F(TokenizerTest, StreamsTokensThatAreNotUtf8AsTheGoldensDo) {
  const json goldens = Goldens();
  for (const json& row : goldens["decode"]) {
    model::Utf8Stream stream;
    std::string out;
    for (const TokenId id : row["ids"].get<Ids>()) {
      out += stream.Push(nano_->TokenBytes(id));
    }
    EXPECT_EQ(out + stream.Finish(), row["text"].get<std::string>());
  }
}

TEST_F(TokenizerTest, ReplacesInvalidUtf8) {
  EXPECT_EQ(nano_->Encode("a\xFF", ControlText::kPlain),
            nano_->Encode("a\uFFFD", ControlText::kPlain));
  EXPECT_EQ(nano_->Encode("\xED\xA0\x80", ControlText::kParse),
            nano_->Encode("\uFFFD\uFFFD\uFFFD", ControlText::kParse));
}

TEST_F(TokenizerTest, RoundTripsHostileText) {
  const auto repeat = [](const std::string& part, size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += part;
    return text;
  };
  for (const std::string& text :
       {std::string("\0a\0", 3), repeat("a", 65536), repeat(" ", 65536),
        repeat("<", 65536), repeat("<|im_end|", 65536),
        repeat("a", 1) + repeat("\u0316", 20000), repeat("\n \t", 65536),
        repeat("\u202E\uFEFF", 6000), repeat("Ab1!", 1 << 20)}) {
    for (const ControlText control :
         {ControlText::kPlain, ControlText::kParse}) {
      EXPECT_EQ(nano_->Decode(nano_->Encode(text, control)), text);
    }
  }
  EXPECT_TRUE(nano_->Encode("", ControlText::kParse).empty());
}

TEST_F(TokenizerTest, NeverMakesAControlTokenOfPlainText) {
  const json config = ReadJson(std::string(kNano) + "/tokenizer_config.json");
  for (const auto& [id, token] : config["added_tokens_decoder"].items()) {
    const auto text = token["content"].get<std::string>();
    EXPECT_EQ(nano_->Encode(text, ControlText::kParse), Ids{std::stoi(id)});
    for (const TokenId plain : nano_->Encode(text, ControlText::kPlain)) {
      EXPECT_LT(plain, 2000) << text;
    }
  }
}

TEST(DemoTokenizer, RoundTripsItsPromptsAndAnswers) {
  ASSERT_OK_AND_ASSIGN(const auto demo, Tokenizer::Load(kDemo));
  EXPECT_EQ(demo->size(), 823);
  EXPECT_EQ(demo->special().bos, 819);
  EXPECT_EQ(demo->special().eos, 820);
  EXPECT_EQ(demo->special().soi, 821);
  EXPECT_EQ(demo->special().eoi, 822);
  const json config = ReadJson(std::string(kDemo) + "/cooper_config.json");
  for (const auto& [key, prompt] : config["prompts"].items()) {
    const auto text = prompt.get<std::string>();
    EXPECT_EQ(demo->Decode(demo->Encode(text, ControlText::kParse)), text);
  }
  for (const char* text : {"<think>The red cube</think><answer>\\boxed{2}",
                           "Wo ist der Würfel? 椅子"}) {
    EXPECT_EQ(demo->Decode(demo->Encode(text, ControlText::kPlain)), text);
  }
}

}  // namespace
}  // namespace cooper::tokenizer
