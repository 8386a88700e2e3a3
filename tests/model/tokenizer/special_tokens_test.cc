// Where the ids of special tokens come from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/tokenizer/tokenizer.h"
#include "tests/model/checkpoint/temp_directory.h"
#include "tests/model/tokenizer/small_tokenizer.h"
#include "tests/testing/status_matchers.h"

namespace cooper::tokenizer {
namespace {

using ::cooper::testing::StatusIs;
using ::cooper::testing::TempDirectory;
using model::ControlText;
using ::testing::AllOf;
using ::testing::HasSubstr;

void ExpectSmallTokens(const Tokenizer& tokenizer) {
  EXPECT_EQ(tokenizer.special().eos, 257);
  EXPECT_EQ(tokenizer.special().bos, 258);
  EXPECT_EQ(tokenizer.special().soi, 259);
  EXPECT_EQ(tokenizer.special().eoi, 260);
  EXPECT_GE(tokenizer.size(), 261);
  EXPECT_EQ(tokenizer.TokenBytes(260), "<|vision_end|>");
  EXPECT_EQ(tokenizer.Encode("x a<|vision_end|>", ControlText::kParse),
            (std::vector<model::TokenId>{'x', 256, 260}));
}

// SmallAddedTokens as tokenizer.json has them.
json AsList(const json& tokens) {
  json list = json::array();
  for (const auto& [text, id] : tokens.items()) {
    list.push_back({{"id", id}, {"content", text}, {"special", true}});
  }
  return list;
}

TEST(SpecialTokens, ComeFromWhicheverFileHasThem) {
  const json names = {"<|im_start|>",
                      {{"content", "<|im_end|>"}},
                      "<|vision_start|>",
                      "<|vision_end|>"};
  struct Row {
    const char* layout;
    std::function<void(const TempDirectory&)> write;
  };
  for (const Row& row : {
           Row{"added_tokens.json of transformers 4",
               [&](const TempDirectory& directory) {
                 directory.Write("added_tokens.json",
                                 SmallAddedTokens().dump());
                 directory.Write("special_tokens_map.json",
                                 json{{"additional_special_tokens", names},
                                      {"eos_token", "<|im_end|>"},
                                      {"unk_token", nullptr}}
                                     .dump());
                 directory.Write(
                     "tokenizer_config.json",
                     json{{"additional_special_tokens", names}}.dump());
               }},
           Row{"no tokenizer_config.json",
               [](const TempDirectory& directory) {
                 directory.Write("added_tokens.json",
                                 SmallAddedTokens().dump());
               }},
           Row{"tokenizer.json beside vocab.json",
               [&](const TempDirectory& directory) {
                 directory.Write(
                     "tokenizer.json",
                     json{{"added_tokens", AsList(SmallAddedTokens())}}.dump());
                 directory.Write("tokenizer_config.json",
                                 json{{"extra_special_tokens", names}}.dump());
               }},
           Row{"some in each",
               [&](const TempDirectory& directory) {
                 directory.Write(
                     "tokenizer_config.json",
                     AsDecoder({{"<|im_end|>", 257}, {"<|im_start|>", 258}})
                         .dump());
                 directory.Write("added_tokens.json",
                                 R"({"<|vision_start|>": 259})");
                 directory.Write(
                     "tokenizer.json",
                     json{{"added_tokens", AsList(SmallAddedTokens())}}.dump());
               }},
           Row{"named, and in the vocabulary",
               [&](const TempDirectory& directory) {
                 json vocabulary = SmallVocabulary();
                 vocabulary.update(SmallAddedTokens());
                 vocabulary["<|endoftext|>"] = 261;  // named nowhere
                 directory.Write("vocab.json", vocabulary.dump());
                 directory.Write(
                     "special_tokens_map.json",
                     json{{"additional_special_tokens", names}}.dump());
               }},
           Row{"transformers 5",
               [&](const TempDirectory& directory) {
                 std::filesystem::remove(directory.File("vocab.json"));
                 std::filesystem::remove(directory.File("merges.txt"));
                 directory.Write(
                     "tokenizer.json",
                     json{{"added_tokens", AsList(SmallAddedTokens())},
                          {"model",
                           {{"type", "BPE"},
                            {"vocab", SmallVocabulary()},
                            {"merges", json::array({"\u0120 a"})}}}}
                         .dump());
                 directory.Write("tokenizer_config.json",
                                 json{{"extra_special_tokens",
                                       {{"image_token", "<|vision_start|>"}}},
                                      {"eos_token", "<|im_end|>"}}
                                     .dump());
               }},
       }) {
    const TempDirectory directory;
    SlowFiles().Write(directory);
    std::filesystem::remove(directory.File("tokenizer_config.json"));
    row.write(directory);
    const auto tokenizer = Tokenizer::Load(directory.path());
    ASSERT_OK(tokenizer) << row.layout;
    ExpectSmallTokens(**tokenizer);
  }
}

TEST(SpecialTokens, ThatNoFileGivesAreNotInvented) {
  const json all = SmallAddedTokens();
  for (const auto& [text, id] : all.items()) {
    const TempDirectory directory;
    SlowFiles files;
    json tokens = all;
    tokens.erase(text);
    files.config = AsDecoder(tokens);
    // Names give no ids.
    files.config["additional_special_tokens"] = json::array({text});
    files.config["extra_special_tokens"] = {{"some_token", text}};
    files.Write(directory);
    directory.Write("special_tokens_map.json",
                    json{{"eos_token", {{"content", text}}}}.dump());
    EXPECT_THAT(
        Tokenizer::Load(directory.path()),
        StatusIs(absl::StatusCode::kNotFound,
                 AllOf(HasSubstr("special token \"" + text + "\": no id in "),
                       HasSubstr(directory.File("tokenizer_config.json")),
                       HasSubstr("added_tokens.json (not found)"))));
  }
}

TEST(SpecialTokens, ThatTwoFilesContradictAreAnError) {
  const TempDirectory directory;
  SlowFiles().Write(directory);
  directory.Write("added_tokens.json", R"({"<|im_end|>": 261})");
  EXPECT_THAT(Tokenizer::Load(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       directory.File("added_tokens.json") +
                           ": added token \"<|im_end|>\": id 261, but 257 in " +
                           directory.File("tokenizer_config.json")));
}

TEST(SpecialTokens, OfTheConfigurationGoBeforeTheUsualOnes) {
  const TempDirectory directory;
  SlowFiles files;
  files.config["added_tokens_decoder"]["261"] = {{"content", "<|end|>"}};
  files.Write(directory);
  Tokenizer::Options options;
  options.special = model::SpecialTokens{258, 261, 259, 260};
  ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                       Tokenizer::Load({directory.path()}, options));
  EXPECT_EQ(tokenizer->special().eos, 261);
  for (const model::TokenId eos : {97, 262, 258}) {
    options.special->eos = eos;
    EXPECT_THAT(Tokenizer::Load({directory.path()}, options),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat(
                             "special_tokens of cooper_config.json: ", eos))));
  }
}

}  // namespace
}  // namespace cooper::tokenizer
