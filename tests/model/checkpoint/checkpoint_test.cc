#include "model/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/model/checkpoint/temp_directory.h"
#include "tests/testing/status_matchers.h"

namespace cooper::checkpoint {
namespace {

using ::cooper::testing::StatusIs;
using ::cooper::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;

const char kNano[] = COOPER_TEST_DATA "/goldens/nano";
const char kDemo[] = COOPER_SOURCE_DIR "/model/demo/checkpoint";
const char kSomeTensor[] = "language_model.model.norm.weight";

const std::vector<std::string> kNanoFiles = {
    "llm_config.json", "vit_config.json", "cooper_config.json",
    "vocab.json",      "merges.txt",      "tokenizer_config.json",
    "ae.safetensors",  "ema.safetensors"};

// Links to the nano checkpoint's files, all but those named.
void LinkNano(const TempDirectory& directory,
              const std::vector<std::string>& without) {
  for (const std::string& name : kNanoFiles) {
    if (std::find(without.begin(), without.end(), name) == without.end()) {
      directory.Link(std::string(kNano) + "/" + name, name);
    }
  }
}

// One of the nano checkpoint's configuration files with one key changed.
std::string NanoWith(const std::string& name, const char* key,
                     const nlohmann::json& value) {
  std::ifstream in(std::string(kNano) + "/" + name);
  nlohmann::json config = nlohmann::json::parse(in);
  config[key] = value;
  return config.dump();
}

// A weight file whose kSomeTensor has one element, `value`.
void WriteWeights(const std::string& path, uint8_t value) {
  ASSERT_OK_AND_ASSIGN(
      const auto writer,
      SafetensorsWriter::Create(path, {{kSomeTensor, DType::kUint8, {1}}}));
  ASSERT_OK(writer->Append(&value, 1));
  ASSERT_OK(writer->Close());
}

int FirstByte(const Checkpoint& checkpoint) {
  std::vector<uint8_t> data(checkpoint.FindNetwork(kSomeTensor)->bytes);
  EXPECT_OK(checkpoint.ReadNetwork(kSomeTensor, 0, data.size(), data.data()));
  return data[0];
}

TEST(Checkpoint, OpensTheNanoCheckpoint) {
  ASSERT_OK_AND_ASSIGN(const auto nano, Checkpoint::Open({kNano}));
  EXPECT_EQ(nano->llm().hidden_size, 96);
  EXPECT_EQ(nano->vit().hidden_size, 48);
  EXPECT_EQ(nano->cooper().max_latent_size, 10);
  EXPECT_EQ(nano->tokenizer_dir(), kNano);
  const StoredTensor* norm = nano->FindNetwork(kSomeTensor);
  ASSERT_NE(norm, nullptr);
  EXPECT_EQ(norm->shape, (std::vector<int64_t>{96}));
  EXPECT_NE(nano->FindAutoencoder("encoder.conv_in.weight"), nullptr);
  EXPECT_EQ(nano->FindNetwork("encoder.conv_in.weight"), nullptr);
  EXPECT_EQ(nano->FindAutoencoder(kSomeTensor), nullptr);
}

TEST(Checkpoint, OpensTheDemoCheckpoint) {
  ASSERT_OK_AND_ASSIGN(const auto demo, Checkpoint::Open({kDemo}));
  EXPECT_EQ(demo->cooper().name, "cooper-demo");
  EXPECT_EQ(demo->cooper().text_vocab_size, 823);
  ASSERT_TRUE(demo->cooper().special_tokens.has_value());
  EXPECT_EQ(demo->cooper().special_tokens->eos, 820);
  EXPECT_EQ(demo->cooper().generation.flow.num_timesteps, 20);
  EXPECT_EQ(demo->cooper().generation.max_think_tokens, 160);
  EXPECT_EQ(demo->cooper().prompts.reflection_prompt,
            "\nHere is the generated map. Check it, think again and answer.\n");
  EXPECT_EQ(demo->llm().rope_theta, 10000.0);
  EXPECT_NE(demo->FindNetwork(kSomeTensor), nullptr);
}

TEST(Checkpoint, OpensShards) {
  const TempDirectory directory;
  LinkNano(directory, {"ema.safetensors"});
  WriteWeights(directory.File("ema-1.safetensors"), 7);
  directory.Write("ema.safetensors.index.json",
                  std::string(R"({"weight_map":{")") + kSomeTensor +
                      R"(":"ema-1.safetensors"}})");
  ASSERT_OK_AND_ASSIGN(const auto checkpoint,
                       Checkpoint::Open({directory.path()}));
  EXPECT_EQ(FirstByte(*checkpoint), 7);
}

TEST(Checkpoint, TakesTheFineTunesWeightsWhicheverDirectoryIsFirst) {
  const TempDirectory fine_tune;
  WriteWeights(fine_tune.File("ema.safetensors"), 9);
  for (const std::vector<std::string>& directories :
       {std::vector<std::string>{kNano, fine_tune.path()},
        std::vector<std::string>{fine_tune.path(), kNano}}) {
    ASSERT_OK_AND_ASSIGN(const auto checkpoint, Checkpoint::Open(directories));
    EXPECT_EQ(FirstByte(*checkpoint), 9);
    EXPECT_EQ(checkpoint->tokenizer_dir(), kNano);
    EXPECT_NE(checkpoint->FindAutoencoder("encoder.conv_in.weight"), nullptr);
  }
}

TEST(Checkpoint, PrefersModelToEma) {
  const TempDirectory directory;
  LinkNano(directory, {});
  WriteWeights(directory.File("model.safetensors"), 5);
  ASSERT_OK_AND_ASSIGN(const auto checkpoint,
                       Checkpoint::Open({directory.path()}));
  EXPECT_EQ(FirstByte(*checkpoint), 5);
}

TEST(Checkpoint, TakesUpstreamsValuesWithoutACooperConfig) {
  const TempDirectory directory;
  LinkNano(directory,
           {"cooper_config.json", "llm_config.json", "vit_config.json"});
  directory.Write("llm_config.json",
                  NanoWith("llm_config.json", "vocab_size", 152064));
  directory.Write("vit_config.json",
                  NanoWith("vit_config.json", "image_size", 980));
  ASSERT_OK_AND_ASSIGN(const auto checkpoint,
                       Checkpoint::Open({directory.path()}));
  EXPECT_EQ(checkpoint->cooper().text_vocab_size, 151665);
  EXPECT_EQ(checkpoint->cooper().vit_max_num_patch_per_side, 70);
}

TEST(Checkpoint, NamesTheFileThatIsMissingAndWhereItLooked) {
  for (const std::string& name : kNanoFiles) {
    if (name == "cooper_config.json" || name == "tokenizer_config.json") {
      continue;
    }
    const TempDirectory directory;
    const TempDirectory other;
    LinkNano(directory, {name});
    EXPECT_THAT(Checkpoint::Open({directory.path(), other.path()}),
                StatusIs(absl::StatusCode::kNotFound,
                         AllOf(HasSubstr(name),
                               HasSubstr("not found in " + directory.path() +
                                         ", " + other.path()))));
  }
}

TEST(Checkpoint, OpensWithoutWeightsOnlyWhereThatIsAskedFor) {
  const TempDirectory directory;
  LinkNano(directory, {"ema.safetensors", "ae.safetensors"});
  EXPECT_THAT(
      Checkpoint::Open({directory.path()}),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("model.safetensors")));
  ASSERT_OK_AND_ASSIGN(
      const auto frame,
      Checkpoint::Open({directory.path()}, Checkpoint::Weights::kNone));
  EXPECT_EQ(frame->llm().hidden_size, 96);
  EXPECT_EQ(frame->tokenizer_dir(), directory.path());
  EXPECT_EQ(frame->FindNetwork(kSomeTensor), nullptr);
}

TEST(Checkpoint, NamesTheWeightFileThatIsMalformed) {
  for (const char* name : {"ema.safetensors", "ae.safetensors"}) {
    const TempDirectory directory;
    LinkNano(directory, {name});
    directory.Write(name, "short");
    EXPECT_THAT(Checkpoint::Open({directory.path()}),
                StatusIs(absl::StatusCode::kDataLoss,
                         HasSubstr(directory.File(name) + ": header length")));
  }
}

TEST(Checkpoint, SaysWhichKeysOfItsFilesContradict) {
  struct Row {
    const char* key;
    nlohmann::json value;
    const char* message;
  };
  for (const Row& row :
       {Row{"text_vocab_size", 2077, "above vocab_size of llm_config.json"},
        Row{"special_tokens",
            {{"bos", 1}, {"eos", 2}, {"soi", 3}, {"eoi", 2076}},
            "2076 is not below vocab_size"},
        Row{"vit_drop_last_layers", 3, "below num_hidden_layers"},
        Row{"vit_stride", 16, "multiple of patch_size"},
        Row{"vit_max_num_patch_per_side", 13, "above image_size / patch_size"},
        Row{"vit_max_num_patch_per_side", 7, "must be at least 8"}}) {
    const TempDirectory directory;
    LinkNano(directory, {"cooper_config.json"});
    directory.Write("cooper_config.json",
                    NanoWith("cooper_config.json", row.key, row.value));
    EXPECT_THAT(Checkpoint::Open({directory.path()}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(row.key), HasSubstr(row.message))));
  }
}

TEST(Checkpoint, AsksForADirectory) {
  EXPECT_THAT(Checkpoint::Open({}), StatusIs(absl::StatusCode::kInvalidArgument,
                                             HasSubstr("no directory")));
}

}  // namespace
}  // namespace cooper::checkpoint
