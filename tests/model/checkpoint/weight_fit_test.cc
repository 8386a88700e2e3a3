#include "model/checkpoint/weight_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "model/checkpoint/checkpoint.h"
#include "tests/model/checkpoint/weights_fixture.h"
#include "tests/testing/status_matchers.h"
#include "tests/tools/safetensors_writer.h"

namespace cooper::checkpoint {
namespace {

using ::cooper::testing::CopyWeights;
using ::cooper::testing::kNano;
using ::cooper::testing::LinkNano;
using ::cooper::testing::Rename;
using ::cooper::testing::StatusIs;
using ::cooper::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

const char kVitTable[] = "vit_pos_embed.pos_embed";
const char kLatentTable[] = "latent_pos_embed.pos_embed";
const char kPatches[] =
    "vit_model.vision_model.embeddings.patch_embedding.weight";

std::string Same(const std::string& name) { return name; }

Rename Without(const std::string& part) {
  return [part](const std::string& name) {
    return absl::StrContains(name, part) ? "" : name;
  };
}

// The nano checkpoint with other weights of its network, and changes to its
// configuration.
class WeightFitTest : public ::testing::Test {
 protected:
  void Write(const Rename& rename,
             const std::vector<SafetensorsWriter::Entry>& more = {}) {
    CopyWeights(kNano + "/ema.safetensors", weights_, rename, more);
  }
  void Configure(const std::string& file, const std::string& key,
                 const nlohmann::json& value) {
    std::ifstream in(kNano + "/" + file);
    nlohmann::json config = nlohmann::json::parse(in);
    config[key] = value;
    std::filesystem::remove(directory_.File(file));
    directory_.Write(file, config.dump());
  }
  std::unique_ptr<const Checkpoint> Open() {
    auto checkpoint = Checkpoint::Open({directory_.path()});
    EXPECT_OK(checkpoint);
    return *std::move(checkpoint);
  }
  absl::Status Fit() { return Open()->fit(); }
  void SetUp() override { LinkNano(directory_, {"ema.safetensors"}); }

  const TempDirectory directory_;
  const std::string weights_ = directory_.File("ema.safetensors");
};

TEST_F(WeightFitTest, CountsTheTensorsOfEachFile) {
  Write(Same);
  const auto nano = Open();
  ASSERT_OK(nano->fit());
  EXPECT_THAT(nano->report().files,
              ElementsAre(AllOf(Field(&model::WeightFile::path, weights_),
                                Field(&model::WeightFile::tensors, 167)),
                          AllOf(Field(&model::WeightFile::path,
                                      directory_.File("ae.safetensors")),
                                Field(&model::WeightFile::tensors, 176))));
  EXPECT_THAT(nano->report().Notes(), ::testing::IsEmpty());
}

TEST_F(WeightFitTest, KnownUnusedTensorsAreListed) {
  const std::string last = "vit_model.vision_model.encoder.layers.2.";
  Write(Same,
        {{last + "layer_norm1.bias", DType::kBFloat16, {48}},
         {"vit_model.vision_model.head.probe", DType::kFloat32, {1}},
         {"language_model.model.rotary_emb.inv_freq", DType::kFloat32, {12}},
         {"encoder.conv_in.bias", DType::kFloat32, {32}}});
  const auto nano = Open();
  ASSERT_OK(nano->fit());
  EXPECT_THAT(
      nano->report().Notes(),
      ElementsAre(AllOf(HasSubstr(weights_ + ": 4 tensors are not used: "),
                        HasSubstr(last + "layer_norm1.bias"),
                        HasSubstr("rotary_emb.inv_freq"))));
}

TEST_F(WeightFitTest, UnknownTensorsAreAnError) {
  Write(Same, {{"extra.weight", DType::kFloat32, {1}},
               {"language_model.model.layers.0.self_attn.q_norm.bias",
                DType::kFloat32,
                {24}}});
  EXPECT_THAT(Fit(),
              StatusIs(absl::StatusCode::kDataLoss,
                       weights_ + ": 2 of its 169 tensors are not the "
                                  "network's: extra.weight; language_model."
                                  "model.layers.0.self_attn.q_norm.bias"));
}

TEST_F(WeightFitTest, ATensorThatTheConfigurationTurnsOffIsUnknown) {
  Write(Same);
  Configure("cooper_config.json", "qk_norm", false);
  EXPECT_THAT(Fit(), StatusIs(absl::StatusCode::kDataLoss,
                              AllOf(HasSubstr(weights_),
                                    HasSubstr("16 of its 167 tensors"),
                                    HasSubstr("k_norm"))));
}

TEST_F(WeightFitTest, LayersMustBeTheConfigurations) {
  Write(Same);
  Configure("llm_config.json", "num_hidden_layers", 3);
  EXPECT_THAT(Fit(),
              StatusIs(absl::StatusCode::kDataLoss,
                       weights_ + ": holds 4 layers of the language model, but "
                                  "num_hidden_layers of llm_config.json is 3"));
  Configure("llm_config.json", "num_hidden_layers", 28);
  EXPECT_THAT(Fit(),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("holds 4 layers of the language model, but "
                                 "num_hidden_layers of llm_config.json is 28: "
                                 "language_model.model.layers.4.")));
  Configure("llm_config.json", "num_hidden_layers", 4);
  Configure("vit_config.json", "num_hidden_layers", 4);
  EXPECT_THAT(Fit(),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("holds 2 layers of the vision encoder, but "
                                 "num_hidden_layers of vit_config.json is 4")));
  Configure("vit_config.json", "num_hidden_layers", 3);
  EXPECT_OK(Fit());
}

TEST_F(WeightFitTest, PrefixesAreNamedInOneLine) {
  for (const char* prefix :
       {"module.", "_orig_mod.", "model.", "language_model.", "ema_model."}) {
    Write([&](const std::string& name) { return prefix + name; });
    EXPECT_THAT(Fit(), StatusIs(absl::StatusCode::kDataLoss,
                                AllOf(HasSubstr(weights_ +
                                                ": 167 of its 167 tensor "
                                                "names begin with \"" +
                                                prefix + "\""))))
        << prefix;
  }
}

TEST_F(WeightFitTest, WrappersInsideNamesAreNamed) {
  Write([](const std::string& name) {
    return absl::StrReplaceAll(name, {{"layers.0.", "layers.0._orig_mod."}});
  });
  EXPECT_THAT(Fit(), StatusIs(absl::StatusCode::kDataLoss,
                              AllOf(HasSubstr(weights_),
                                    HasSubstr("contain \"_orig_mod.\""))));
}

TEST_F(WeightFitTest, MissingTensorsAreNamedWithTheFile) {
  Write(Without("layers.2.mlp"));
  EXPECT_THAT(
      Fit(),
      StatusIs(absl::StatusCode::kDataLoss,
               AllOf(HasSubstr(weights_ + ": weights do not fit the "
                                          "configuration: "),
                     HasSubstr("layers.2.mlp.down_proj.weight [96,176] is "
                               "missing; "),
                     HasSubstr("; and 1 more"))));
}

// Before anything of the configuration's size is allocated: this vocabulary
// would take 3 GB.
TEST_F(WeightFitTest, OtherSizesAreNamedWithTheFile) {
  Write(Same);
  Configure("llm_config.json", "vocab_size", 1 << 23);
  EXPECT_THAT(Fit(), StatusIs(absl::StatusCode::kDataLoss,
                              AllOf(HasSubstr(weights_),
                                    HasSubstr("embed_tokens.weight is "
                                              "[2076,96] and should be "
                                              "[8388608,96]"))));
}

TEST_F(WeightFitTest, TensorsMustBeFloats) {
  Write(Without("connector.fc1.bias"),
        {{"connector.fc1.bias", DType::kInt8, {96}}});
  EXPECT_THAT(Fit(), StatusIs(absl::StatusCode::kDataLoss,
                              AllOf(HasSubstr(weights_),
                                    HasSubstr("connector.fc1.bias is I8"))));
}

TEST_F(WeightFitTest, AbsentTablesAreComputed) {
  const auto nano = Checkpoint::Open({kNano});
  ASSERT_OK(nano);
  Write(Without("pos_embed"));
  const auto without = Open();
  ASSERT_OK(without->fit());
  EXPECT_EQ(without->report().files[0].tensors, 165);
  EXPECT_EQ(without->report().notes.size(), 2);
  for (const char* name : {kVitTable, kLatentTable}) {
    const StoredTensor* stored = (*nano)->FindNetwork(name);
    const StoredTensor* computed = without->FindNetwork(name);
    ASSERT_NE(computed, nullptr);
    EXPECT_EQ(computed->shape, stored->shape);
    ASSERT_EQ(computed->bytes, stored->bytes);
    std::vector<char> expected(stored->bytes);
    std::vector<char> bytes(stored->bytes);
    ASSERT_OK((*nano)->ReadNetwork(name, 0, expected.size(), expected.data()));
    ASSERT_OK(without->ReadNetwork(name, 0, bytes.size(), bytes.data()));
    EXPECT_EQ(bytes, expected) << name;
  }
}

TEST_F(WeightFitTest, TablesOfAnotherGridAreComputed) {
  Write(Without(kLatentTable), {{kLatentTable, DType::kFloat32, {64, 96}}});
  const auto other = Open();
  ASSERT_OK(other->fit());
  EXPECT_EQ(other->FindNetwork(kLatentTable)->shape,
            (std::vector<int64_t>{100, 96}));
  EXPECT_THAT(other->report().notes,
              ElementsAre(HasSubstr("is computed: it is [64,96] in ")));
}

TEST_F(WeightFitTest, ATableOfAnotherWidthIsAnError) {
  Write(Without(kLatentTable), {{kLatentTable, DType::kFloat32, {100, 48}}});
  EXPECT_THAT(Fit(), StatusIs(absl::StatusCode::kDataLoss,
                              HasSubstr("is [100,48] and should be [100,96]")));
}

TEST_F(WeightFitTest, APatchEmbeddingInTheFormOfAConvolutionIsReshaped) {
  constexpr int64_t kOut = 48, kPatch = 14, kArea = kPatch * kPatch;
  ASSERT_OK_AND_ASSIGN(const auto nano, Checkpoint::Open({kNano}));
  const StoredTensor* matrix = nano->FindNetwork(kPatches);
  ASSERT_EQ(matrix->dtype, DType::kBFloat16);
  std::vector<uint16_t> expected(matrix->bytes / 2);
  ASSERT_OK(nano->ReadNetwork(kPatches, 0, matrix->bytes, expected.data()));
  std::vector<uint16_t> convolution(expected.size());
  for (int64_t out = 0; out < kOut; ++out) {
    for (int64_t pixel = 0; pixel < kArea; ++pixel) {
      for (int64_t channel = 0; channel < 3; ++channel) {
        convolution[(out * 3 + channel) * kArea + pixel] =
            expected[(out * kArea + pixel) * 3 + channel];
      }
    }
  }
  Write(Without(kPatches),
        {{kPatches, DType::kBFloat16, {kOut, 3, kPatch, kPatch}}});
  ASSERT_OK_AND_ASSIGN(const auto file, SafetensorsFile::Open(weights_));
  std::fstream out(weights_, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(static_cast<std::streamoff>(file->Find(kPatches)->offset_bytes));
  out.write(reinterpret_cast<const char*>(convolution.data()),
            static_cast<std::streamsize>(convolution.size() * 2));
  out.close();

  const auto reshaped = Open();
  ASSERT_OK(reshaped->fit());
  std::vector<uint16_t> bytes(expected.size());
  ASSERT_OK(reshaped->ReadNetwork(kPatches, 0, bytes.size() * 2, bytes.data()));
  EXPECT_EQ(bytes, expected);
}

TEST_F(WeightFitTest, TheAutoencodersTensorsAreCheckedToo) {
  Write(Same);
  const std::string path = directory_.File("ae.safetensors");
  std::filesystem::remove(path);
  CopyWeights(kNano + "/ae.safetensors", path, Without("decoder.conv_out"));
  EXPECT_THAT(Fit(), StatusIs(absl::StatusCode::kDataLoss,
                              AllOf(HasSubstr(path), HasSubstr("is missing"))));
  CopyWeights(kNano + "/ae.safetensors", path, Same,
              {{"loss.logvar", DType::kFloat32, {1}}});
  EXPECT_THAT(Fit(),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(path), HasSubstr("autoencoder's: "
                                                        "loss.logvar"))));
}

}  // namespace
}  // namespace cooper::checkpoint
