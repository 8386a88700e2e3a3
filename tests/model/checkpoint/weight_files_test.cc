#include "model/checkpoint/weight_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/model/checkpoint/weights_fixture.h"
#include "tests/testing/status_matchers.h"

namespace cooper::checkpoint {
namespace {

using ::cooper::testing::StatusIs;
using ::cooper::testing::TempDirectory;
using ::cooper::testing::WriteOneTensor;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string IndexOf(const std::string& shard) {
  return R"({"weight_map":{"x":")" + shard + "\"}}";
}

std::vector<std::string> PathsOf(const WeightFiles& files) {
  std::vector<std::string> paths;
  for (const auto& file : files) paths.push_back(file->path());
  return paths;
}

// A base with all that is needed, and a fine-tune that holds nothing yet.
class WeightFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"llm_config.json", "vit_config.json"}) {
      base_.Write(name, "{}");
    }
    WriteOneTensor(base_.File("ae.safetensors"), "x");
    WriteOneTensor(base_.File("ema.safetensors"), "x");
  }
  absl::StatusOr<OpenedWeights> Open() const {
    return OpenWeights({base_.path(), tune_.path()});
  }
  std::vector<std::string> Network() const {
    const auto opened = Open();
    EXPECT_OK(opened);
    return PathsOf(opened->network);
  }

  std::vector<std::string> NotesOfTheBaseAlone() const {
    const auto opened = OpenWeights({base_.path()});
    EXPECT_OK(opened);
    return opened->notes;
  }

  const TempDirectory base_;
  const TempDirectory tune_;
};

TEST_F(WeightFilesTest, TheSecondDirectoryGoesFirstFileByFile) {
  WriteOneTensor(tune_.File("model.safetensors"), "x");
  tune_.Write("llm_config.json", "{}");
  EXPECT_THAT(Network(), ElementsAre(tune_.File("model.safetensors"),
                                     base_.File("ema.safetensors")));
  EXPECT_THAT(PathsOf(Open()->autoencoder),
              ElementsAre(base_.File("ae.safetensors")));
  WriteOneTensor(tune_.File("ae.safetensors"), "x");
  EXPECT_THAT(
      PathsOf(Open()->autoencoder),
      ElementsAre(tune_.File("ae.safetensors"), base_.File("ae.safetensors")));
}

TEST_F(WeightFilesTest, ADirectoryOfNothingButWeightsGoesFirst) {
  WriteOneTensor(tune_.File("ema.safetensors"), "x");
  const auto opened = OpenWeights({tune_.path(), base_.path()});
  ASSERT_OK(opened);
  EXPECT_THAT(opened->notes,
              ElementsAre(HasSubstr(tune_.path() + ": holds only weights, so "
                                                   "it is taken for the")));
  EXPECT_THAT(PathsOf(opened->network),
              ElementsAre(tune_.File("ema.safetensors"),
                          base_.File("ema.safetensors")));
}

TEST_F(WeightFilesTest, ShardsAndOneFileMix) {
  WriteOneTensor(base_.File("model-1.safetensors"), "x");
  base_.Write("model.safetensors.index.json", IndexOf("model-1.safetensors"));
  WriteOneTensor(tune_.File("ema.safetensors"), "x");
  EXPECT_THAT(Network(), ElementsAre(tune_.File("ema.safetensors"),
                                     base_.File("model-1.safetensors")));
}

TEST_F(WeightFilesTest, SaysWhichOfSeveralIsTaken) {
  WriteOneTensor(base_.File("model.safetensors"), "x");
  base_.Write("model.safetensors.index.json", IndexOf("none.safetensors"));
  EXPECT_THAT(Network(), ElementsAre(base_.File("model.safetensors")));
  EXPECT_THAT(
      NotesOfTheBaseAlone(),
      ElementsAre(HasSubstr(
          base_.path() + ": model.safetensors is taken, not "
                         "model.safetensors.index.json or ema.safetensors")));
}

TEST_F(WeightFilesTest, AnIndexWithoutItsShardsDoesNotBlockOtherWeights) {
  base_.Write("model.safetensors.index.json", IndexOf("none.safetensors"));
  EXPECT_THAT(Network(), ElementsAre(base_.File("ema.safetensors")));
  EXPECT_THAT(NotesOfTheBaseAlone(),
              ElementsAre(HasSubstr("\"none.safetensors\"")));
}

// As the public BAGEL is laid out, and a fine-tune that has its index.
TEST_F(WeightFilesTest, AnIndexOfAPlainFileSaysNothing) {
  constexpr char kIndex[] = R"({"weight_map":{"x":"ema.safetensors",
      "y":"ema.safetensors","vae_model.x":"ae.safetensors"}})";
  base_.Write("model.safetensors.index.json", kIndex);
  EXPECT_THAT(Network(), ElementsAre(base_.File("ema.safetensors")));
  EXPECT_THAT(NotesOfTheBaseAlone(), IsEmpty());
  tune_.Write("model.safetensors.index.json", kIndex);
  WriteOneTensor(tune_.File("ema.safetensors"), "x");
  EXPECT_THAT(Network(), ElementsAre(tune_.File("ema.safetensors"),
                                     base_.File("ema.safetensors")));
  EXPECT_THAT(Open()->notes, IsEmpty());
  std::filesystem::remove(tune_.File("ema.safetensors"));
  WriteOneTensor(tune_.File("ae.safetensors"), "x");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kNotFound,
                               HasSubstr("shard \"ema.safetensors\": not found "
                                         "in " +
                                         tune_.path())));
}

TEST_F(WeightFilesTest, ABaseWhoseShardsWereLeftOutIsFine) {
  std::filesystem::remove(base_.File("ema.safetensors"));
  base_.Write("model.safetensors.index.json", IndexOf("none.safetensors"));
  WriteOneTensor(tune_.File("ema.safetensors"), "x");
  EXPECT_THAT(Network(), ElementsAre(tune_.File("ema.safetensors")));
}

TEST_F(WeightFilesTest, AFineTuneThatCannotBeReadIsNotReplacedByTheBase) {
  struct Row {
    const char* file;
    const char* message;
  };
  for (const Row& row :
       {Row{"adapter_model.safetensors", "holds an adapter"},
        Row{"adapter_config.json", "holds an adapter"},
        Row{"pytorch_model.bin", "holds pytorch_model.bin, but not"},
        Row{"model-00001-of-00002.safetensors", "holds model-00001"},
        Row{"COOPER.gguf", "holds COOPER.gguf, but not"}}) {
    tune_.Write(row.file, "");
    EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr(tune_.path() + ": " + row.message)))
        << row.file;
    std::filesystem::remove(tune_.File(row.file));
  }
  tune_.Write("model.safetensors.index.json", IndexOf("none.safetensors"));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kNotFound,
                               AllOf(HasSubstr("\"none.safetensors\""),
                                     HasSubstr(tune_.path()))));
  std::filesystem::remove(tune_.File("model.safetensors.index.json"));
  tune_.Link("../../blobs/none", "ema.safetensors");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kNotFound,
                               HasSubstr("which does not exist")));
}

TEST_F(WeightFilesTest, AnAdapterBesideTheWeightsIsNotLookedAt) {
  base_.Write("adapter_model.safetensors", "");
  tune_.Write("tokenizer.json", "{}");
  EXPECT_THAT(Network(), ElementsAre(base_.File("ema.safetensors")));
  EXPECT_THAT(Open()->notes,
              ElementsAre(HasSubstr(tune_.path() + ": holds no weights")));
}

TEST_F(WeightFilesTest, AFineTuneThatIsStillDownloadedIsNotReplacedByTheBase) {
  tune_.Write("tokenizer.json", "{}");
  std::filesystem::create_directories(
      tune_.File(".cache/huggingface/download"));
  tune_.Write(".cache/huggingface/download/0a.incomplete", "");
  EXPECT_THAT(Open(),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr(tune_.path() + ": holds no weights"),
                             HasSubstr("0a.incomplete"))));
  WriteOneTensor(tune_.File("ema.safetensors"), "x");
  EXPECT_THAT(Open()->notes, IsEmpty());
}

TEST_F(WeightFilesTest, SomeShardsMissingIsAnErrorEvenBesideOtherWeights) {
  WriteOneTensor(base_.File("model-1.safetensors"), "x");
  base_.Write("model.safetensors.index.json",
              R"({"weight_map":{"x":"model-1.safetensors",
                                "y":"model-2.safetensors"}})");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kNotFound,
                               HasSubstr("\"model-2.safetensors\": not found "
                                         "in " +
                                         base_.path())));
}

}  // namespace
}  // namespace cooper::checkpoint
