#include "model/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/model/checkpoint/temp_directory.h"
#include "tests/model/checkpoint/weights_fixture.h"
#include "tests/testing/status_matchers.h"

namespace cooper::checkpoint {
namespace {

using ::cooper::testing::CopyWeights;
using ::cooper::testing::kNano;
using ::cooper::testing::LinkNano;
using ::cooper::testing::MoveToBlobs;
using ::cooper::testing::StatusIs;
using ::cooper::testing::TempDirectory;
using ::cooper::testing::WriteOneTensor;
using ::testing::AllOf;
using ::testing::HasSubstr;

const char kDemo[] = COOPER_SOURCE_DIR "/model/demo/checkpoint";
const char kSomeTensor[] = "language_model.model.norm.weight";

const std::vector<std::string> kNanoFiles = {
    "llm_config.json", "vit_config.json", "cooper_config.json",
    "vocab.json",      "merges.txt",      "tokenizer_config.json",
    "ae.safetensors",  "ema.safetensors"};

// One of the nano checkpoint's configuration files with one key changed.
std::string NanoWith(const std::string& name, const char* key,
                     const nlohmann::json& value) {
  std::ifstream in(std::string(kNano) + "/" + name);
  nlohmann::json config = nlohmann::json::parse(in);
  config[key] = value;
  return config.dump();
}

void WriteWeights(const std::string& path, uint8_t value) {
  WriteOneTensor(path, kSomeTensor, value);
}

int FirstByte(const Checkpoint& checkpoint) {
  std::vector<uint8_t> data(checkpoint.FindNetwork(kSomeTensor)->bytes);
  EXPECT_OK(checkpoint.ReadNetwork(kSomeTensor, 0, data.size(), data.data()));
  return data[0];
}

TEST(Checkpoint, OpensTheNanoCheckpoint) {
  ASSERT_OK_AND_ASSIGN(const auto nano, Checkpoint::Open({kNano}));
  EXPECT_OK(nano->fit());
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
  EXPECT_OK(demo->fit());
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

// Halves of the nano checkpoint's network in two shards, and their index.
void WriteShards(const TempDirectory& directory) {
  nlohmann::json map;
  for (const int half : {0, 1}) {
    const std::string shard = absl::StrCat("ema-", half, ".safetensors");
    size_t number = 0;
    CopyWeights(kNano + "/ema.safetensors", directory.File(shard),
                [&](const std::string& name) {
                  if (number++ % 2 != static_cast<size_t>(half))
                    return std::string();
                  map[name] = shard;
                  return name;
                });
  }
  directory.Write("ema.safetensors.index.json",
                  nlohmann::json{{"weight_map", map}}.dump());
}

TEST(Checkpoint, OpensShardsAsTheHubsCacheHasThem) {
  const TempDirectory cache;
  const TempDirectory snapshot;
  LinkNano(snapshot, {"ema.safetensors"});
  WriteShards(snapshot);
  MoveToBlobs(snapshot, cache.path());
  ASSERT_OK_AND_ASSIGN(const auto checkpoint,
                       Checkpoint::Open({snapshot.path()}));
  EXPECT_OK(checkpoint->fit());
  EXPECT_EQ(checkpoint->report().files.size(), 3);
}

TEST(Checkpoint, OpensAVolumeOfKubernetes) {
  const TempDirectory volume;
  std::filesystem::create_directory(volume.File("..2026_01_01"));
  for (const std::string& name : kNanoFiles) {
    std::filesystem::copy(JoinPath(kNano, name),
                          volume.File(JoinPath("..2026_01_01", name)));
    volume.Link(JoinPath("..data", name), name);
  }
  volume.Link("..2026_01_01", "..data");
  ASSERT_OK_AND_ASSIGN(const auto checkpoint,
                       Checkpoint::Open({volume.path()}));
  EXPECT_OK(checkpoint->fit());
  std::filesystem::remove(volume.File("..data"));
  EXPECT_THAT(Checkpoint::Open({volume.path()}),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("/..data/llm_config.json, which does not")));
}

TEST(Checkpoint, TheSecondOfTwoCompleteDirectoriesWins) {
  const TempDirectory base;
  const TempDirectory tune;
  LinkNano(base, {"ema.safetensors"});
  LinkNano(tune, {"ema.safetensors", "cooper_config.json"});
  tune.Write("cooper_config.json",
             NanoWith("cooper_config.json", "name", "tuned"));
  WriteWeights(base.File("model.safetensors"), 1);
  WriteWeights(tune.File("ema.safetensors"), 2);
  ASSERT_OK_AND_ASSIGN(auto checkpoint,
                       Checkpoint::Open({base.path(), tune.path()}));
  EXPECT_EQ(FirstByte(*checkpoint), 2);
  EXPECT_EQ(checkpoint->cooper().name, "tuned");
  EXPECT_EQ(checkpoint->tokenizer_dir(), tune.path());
  ASSERT_OK_AND_ASSIGN(checkpoint,
                       Checkpoint::Open({tune.path(), base.path()}));
  EXPECT_EQ(FirstByte(*checkpoint), 1);
  EXPECT_NE(checkpoint->cooper().name, "tuned");
}

TEST(Checkpoint, TheBaseGivesWhatTheFineTuneLacks) {
  const TempDirectory tune;
  int64_t kept = 0;
  CopyWeights(kNano + "/ema.safetensors", tune.File("ema.safetensors"),
              [&](const std::string& name) {
                if (name.rfind("vit_model.", 0) == 0) return std::string();
                ++kept;
                return name;
              });
  ASSERT_OK_AND_ASSIGN(const auto checkpoint,
                       Checkpoint::Open({kNano, tune.path()}));
  ASSERT_OK(checkpoint->fit());
  const auto& files = checkpoint->report().files;
  ASSERT_EQ(files.size(), 3);
  EXPECT_EQ(files[0].path, tune.File("ema.safetensors"));
  EXPECT_EQ(files[0].tensors, kept);
  EXPECT_EQ(files[1].path, kNano + "/ema.safetensors");
  EXPECT_EQ(files[1].tensors, 167 - kept);
  EXPECT_THAT(Checkpoint::Open({tune.path()}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("llm_config")));
}

TEST(Checkpoint, AFineTuneThatGivesNothingIsAnError) {
  const TempDirectory tune;
  WriteOneTensor(tune.File("ema.safetensors"),
                 "vit_model.vision_model.head.probe");
  ASSERT_OK_AND_ASSIGN(const auto checkpoint,
                       Checkpoint::Open({kNano, tune.path()}));
  EXPECT_THAT(checkpoint->fit(),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr(tune.File("ema.safetensors") +
                                 ": none of its 1 tensors is one of the")));
  const TempDirectory empty;
  EXPECT_THAT(
      Checkpoint::Open({kNano, empty.path()}),
      StatusIs(absl::StatusCode::kNotFound,
               HasSubstr(empty.path() + ": holds no file of a checkpoint")));
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
