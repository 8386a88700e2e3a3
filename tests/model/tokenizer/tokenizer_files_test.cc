#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/tokenizer/split.h"
#include "model/tokenizer/tokenizer.h"
#include "tests/model/checkpoint/temp_directory.h"
#include "tests/model/tokenizer/small_tokenizer.h"
#include "tests/testing/status_matchers.h"

namespace cooper::tokenizer {
namespace {

using ::cooper::testing::StatusIs;
using ::cooper::testing::TempDirectory;
using model::ControlText;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kNano = COOPER_TEST_DATA "/goldens/nano";

json ReadJson(const std::string& path) {
  std::ifstream in(path);
  return json::parse(in);
}

// The nano tokenizer as one tokenizer.json.
json NanoAsTokenizerJson(bool merges_as_pairs) {
  json merges = json::array();
  std::ifstream in(kNano + "/merges.txt");
  std::string line;
  std::getline(in, line);  // the version
  while (std::getline(in, line)) {
    std::istringstream parts(line);
    std::string left;
    std::string right;
    if (!(parts >> left >> right)) continue;
    merges.push_back(merges_as_pairs ? json{left, right}
                                     : json(absl::StrCat(left, " ", right)));
  }
  json added = json::array();
  const json config = ReadJson(kNano + "/tokenizer_config.json");
  for (const auto& [id, token] : config["added_tokens_decoder"].items()) {
    added.push_back(token);
    added.back()["id"] = std::stoi(id);
  }
  return {
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer", {{"type", "NFC"}}},
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"},
           {"pattern", {{"Regex", std::string(kQwenPattern)}}}},
          {{"type", "ByteLevel"}}}}}},
      {"model",
       {{"type", "BPE"},
        {"vocab", ReadJson(kNano + "/vocab.json")},
        {"merges", merges}}},
  };
}

TEST(TokenizerJson, GivesTheSameIdsAsTheThreeFiles) {
  ASSERT_OK_AND_ASSIGN(const auto slow, Tokenizer::Load(kNano));
  const json goldens =
      ReadJson(COOPER_TEST_DATA "/goldens/cases/tokenizer.json");
  for (const bool merges_as_pairs : {false, true}) {
    const TempDirectory directory;
    directory.Write("tokenizer.json",
                    NanoAsTokenizerJson(merges_as_pairs).dump());
    ASSERT_OK_AND_ASSIGN(const auto fast, Tokenizer::Load(directory.path()));
    EXPECT_EQ(fast->size(), slow->size());
    EXPECT_EQ(fast->special().bos, slow->special().bos);
    EXPECT_EQ(fast->special().eoi, slow->special().eoi);
    for (const json& row : goldens["encode"]) {
      const auto text = row["text"].get<std::string>();
      for (const ControlText control :
           {ControlText::kPlain, ControlText::kParse}) {
        EXPECT_EQ(fast->Encode(text, control), slow->Encode(text, control));
      }
    }
  }
}

TEST(TokenizerJson, NamesTheEntryThatIsWrong) {
  struct Row {
    const char* name;
    std::function<void(json&)> spoil;
    const char* message;
  };
  const std::vector<Row> rows = {
      {"NoModel", [](json& f) { f.erase("model"); }, "model: must be"},
      {"OtherModel", [](json& f) { f["model"]["type"] = "Unigram"; },
       "model: type: only"},
      {"NoVocabulary", [](json& f) { f["model"].erase("vocab"); },
       "model: vocab: must be"},
      {"NoMerges", [](json& f) { f["model"].erase("merges"); },
       "model: merges: must be"},
      {"EmptyMerges", [](json& f) { f["model"]["merges"] = json::array(); },
       "merges: there are none"},
      {"BadMerge", [](json& f) { f["model"]["merges"][3] = 7; },
       "model: merges: 3: must be"},
      {"MergeOfOne", [](json& f) { f["model"]["merges"][3] = {"a"}; },
       "model: merges: 3: must be"},
      {"IgnoreMerges", [](json& f) { f["model"]["ignore_merges"] = true; },
       "model: ignore_merges: only"},
      {"OtherPattern",
       [](json& f) {
         f["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\w+";
       },
       "pre_tokenizer: only Qwen2's pattern"},
      {"AddedNotAList", [](json& f) { f["added_tokens"] = 1; },
       "added_tokens: must be a list"},
      {"AddedWithoutId", [](json& f) { f["added_tokens"][0].erase("id"); },
       "added_tokens: id must be"},
      {"AddedTwice",
       [](json& f) { f["added_tokens"][1] = f["added_tokens"][0]; },
       "text of another added token"},
  };
  for (const Row& row : rows) {
    const TempDirectory directory;
    json file = NanoAsTokenizerJson(true);
    row.spoil(file);
    directory.Write("tokenizer.json", file.dump());
    EXPECT_THAT(Tokenizer::Load(directory.path()),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(directory.File("tokenizer.json")),
                               HasSubstr(row.message))))
        << row.name;
  }
}

TEST(TokenizerFiles, IdsAreBelowTheModelsVocabulary) {
  Tokenizer::Options options;
  options.vocabulary_size = 260;
  const TempDirectory directory;
  SlowFiles().Write(directory);
  EXPECT_THAT(Tokenizer::Load({directory.path()}, options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("added_tokens_decoder: 260"),
                             HasSubstr("[0, 259]"))));
  directory.Write("tokenizer_config.json", "{}");
  directory.Write("added_tokens.json", SmallAddedTokens().dump());
  EXPECT_THAT(Tokenizer::Load({directory.path()}, options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(directory.File("added_tokens.json")),
                             HasSubstr("<|vision_end|>: id must be"))));
  options.vocabulary_size = 256;
  EXPECT_THAT(
      Tokenizer::Load({directory.path()}, options),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("vocab.json")));
  options.vocabulary_size = 261;
  EXPECT_OK(Tokenizer::Load({directory.path()}, options));
}

TEST(TokenizerFiles, OfTheSecondDirectoryWinByName) {
  const TempDirectory base;
  const TempDirectory tune;
  SlowFiles().Write(base);
  tune.Write("tokenizer_config.json", AsDecoder({{"<|im_end|>", 258},
                                                 {"<|im_start|>", 257},
                                                 {"<|vision_start|>", 259},
                                                 {"<|vision_end|>", 260}})
                                          .dump());
  ASSERT_OK_AND_ASSIGN(
      const auto tokenizer,
      Tokenizer::Load({base.path(), tune.path()}, Tokenizer::Options()));
  EXPECT_EQ(tokenizer->special().eos, 258);
}

TEST(TokenizerFiles, MergesMustBeThereAndComplete) {
  const TempDirectory directory;
  SlowFiles files;
  for (const char* merges : {"", "#version: 0.2\n", "\n\n"}) {
    files.merges = merges;
    files.Write(directory);
    EXPECT_THAT(
        Tokenizer::Load(directory.path()),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 directory.File("merges.txt") + ": merges: there are none"));
  }
  files.merges = SlowFiles().merges;
  files.vocabulary["bc"] = 261;
  files.Write(directory);
  EXPECT_THAT(Tokenizer::Load(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(directory.File("merges.txt")),
                             HasSubstr("1 merges leave out 1 of the 258 "
                                       "tokens"))));
}

TEST(TokenizerFiles, GitLfsPointersAndDanglingLinksAreNamed) {
  for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json",
                           "added_tokens.json", "special_tokens_map.json"}) {
    const TempDirectory directory;
    SlowFiles().Write(directory);
    directory.Write(name, "version https://git-lfs.github.com/spec/v1\n");
    EXPECT_THAT(Tokenizer::Load(directory.path()),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(directory.File(name) + ": a Git LFS")));
    std::filesystem::remove(directory.File(name));
    directory.Link("blobs/none", name);
    EXPECT_THAT(Tokenizer::Load(directory.path()),
                StatusIs(absl::StatusCode::kNotFound,
                         HasSubstr(directory.File(name) + ": a symbolic")));
  }
}

TEST(TokenizerFiles, NameTheEntryThatIsWrong) {
  struct Row {
    const char* name;
    std::function<void(SlowFiles&)> spoil;
    const char* file;
    const char* message;
  };
  const std::vector<Row> rows = {
      {"NegativeId", [](SlowFiles& f) { f.vocabulary["a"] = -1; }, "vocab.json",
       "a: id must be an integer"},
      {"FloatId", [](SlowFiles& f) { f.vocabulary["a"] = 97.0; }, "vocab.json",
       "a: id must be an integer"},
      {"HugeId", [](SlowFiles& f) { f.vocabulary["a"] = 1 << 24; },
       "vocab.json", "a: id must be an integer in [0, 16777215]"},
      {"RepeatedId", [](SlowFiles& f) { f.vocabulary["\u0120a"] = 97; },
       "vocab.json", "id 97 repeated"},
      {"NotBytes", [](SlowFiles& f) { f.vocabulary["\u4E2D"] = 300; },
       "vocab.json", "not a spelling of bytes"},
      {"EmptySpelling", [](SlowFiles& f) { f.vocabulary[""] = 300; },
       "vocab.json", "not a spelling of bytes"},
      {"MissingByte", [](SlowFiles& f) { f.vocabulary.erase("b"); },
       "vocab.json", "byte 98 has no token"},
      {"VocabularyIsAList", [](SlowFiles& f) { f.vocabulary = json::array(); },
       "vocab.json", "not a JSON object"},
      {"MergeOfOne", [](SlowFiles& f) { f.merges += "abc\n"; }, "merges.txt",
       "line 3: must be two tokens"},
      {"MergeOfThree", [](SlowFiles& f) { f.merges += "a b c\n"; },
       "merges.txt", "line 3: must be two tokens"},
      {"MergeOfUnknown", [](SlowFiles& f) { f.merges += "b c\n"; },
       "merges.txt", "merge \"b c\": a token of it is not in"},
      {"AddedNotAnObject",
       [](SlowFiles& f) { f.config["added_tokens_decoder"] = 1; },
       "tokenizer_config.json", "added_tokens_decoder: must be an object"},
      {"AddedIdNotANumber",
       [](SlowFiles& f) { f.config["added_tokens_decoder"]["x"] = {}; },
       "tokenizer_config.json", "added_tokens_decoder: x: must be an id"},
      {"AddedWithoutContent",
       [](SlowFiles& f) {
         f.config["added_tokens_decoder"]["261"] = json::object();
       },
       "tokenizer_config.json", "added token 261: content must be"},
      {"AddedWithLstrip",
       [](SlowFiles& f) {
         f.config["added_tokens_decoder"]["257"]["lstrip"] = true;
       },
       "tokenizer_config.json", "added token 257: lstrip: only false"},
      {"NamesNotAList",
       [](SlowFiles& f) { f.config["additional_special_tokens"] = 5; },
       "tokenizer_config.json", "additional_special_tokens: must be a list"},
      {"NameNotAString",
       [](SlowFiles& f) { f.config["extra_special_tokens"] = {5}; },
       "tokenizer_config.json", "extra_special_tokens: must hold strings"},
      {"AddedIdTaken",
       [](SlowFiles& f) {
         f.config["added_tokens_decoder"]["97"] = {{"content", "<x>"}};
       },
       "vocab.json", "added token \"<x>\": id 97 belongs to another token"},
  };
  for (const Row& row : rows) {
    const TempDirectory directory;
    SlowFiles files;
    row.spoil(files);
    files.Write(directory);
    EXPECT_THAT(Tokenizer::Load(directory.path()),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(directory.File(row.file)),
                               HasSubstr(row.message))))
        << row.name;
  }
}

TEST(TokenizerFiles, RefuseRepeatedSpellings) {
  const TempDirectory directory;
  SlowFiles().Write(directory);
  directory.Write("vocab.json", R"({"a":1,"a":2})");
  EXPECT_THAT(Tokenizer::Load(directory.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("vocab.json: key \"a\" repeated")));
}

TEST(TokenizerFiles, NameTheFileThatIsMissing) {
  for (const char* name :
       {"vocab.json", "merges.txt", "tokenizer_config.json"}) {
    const TempDirectory directory;
    SlowFiles().Write(directory);
    std::filesystem::remove(directory.File(name));
    EXPECT_THAT(
        Tokenizer::Load(directory.path()),
        StatusIs(absl::StatusCode::kNotFound, HasSubstr(directory.File(name))));
  }
}

}  // namespace
}  // namespace cooper::tokenizer
