#include "model/checkpoint/weight_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/model/checkpoint/weights_fixture.h"
#include "tests/testing/fake_clock.h"
#include "tests/testing/status_matchers.h"

namespace cooper::checkpoint {
namespace {

using ::cooper::testing::StatusIs;
using ::cooper::testing::TempDirectory;
using ::cooper::testing::WriteOneTensor;
using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kA(64, 'a');
const std::string kB = std::string(63, 'b') + "C";

TEST(Sha256Sums, AreReadInBothForms) {
  ASSERT_OK_AND_ASSIGN(
      const auto sums,
      ParseSha256Sums(kA + "  one file\r\n" + kB + " *./two\n\n" +
                      "SHA256 (three (3)) = " + kA + "\n" + kA +
                      "  sub/four\n" + kA + "  one file\n"));
  ASSERT_EQ(sums.size(), 3);
  EXPECT_EQ(HexOf(sums.at("one file")), kA);
  EXPECT_EQ(HexOf(sums.at("two")), std::string(63, 'b') + "c");
  EXPECT_EQ(HexOf(sums.at("three (3)")), kA);
}

TEST(Sha256Sums, NameTheLineThatIsWrong) {
  for (const std::string& line :
       {std::string("x"), kA, kA + "  ", kA + " x", kA.substr(1) + "  x",
        std::string(64, 'g') + "  x", "SHA256 (x) " + kA,
        std::string("SHA1 (x) = ") + std::string(40, 'a')}) {
    EXPECT_THAT(ParseSha256Sums(absl::StrCat(kA, "  good\n", line, "\n")),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("line 2: must be a SHA-256 and a name")))
        << line;
  }
  EXPECT_THAT(ParseSha256Sums(kA + "  x\n" + kB + "  x\n"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("another SHA-256 of \"x\"")));
}

class WeightCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteOneTensor(path_, "x", 1);
    const auto file = SafetensorsFile::Open(path_);
    EXPECT_OK(file);
    files_ = {*file};
    std::string bytes(files_[0]->file_bytes(), ' ');
    EXPECT_OK(files_[0]->ReadRaw(0, bytes.size(), bytes.data()));
    digest_ = HexOf(base::Hasher().Add(bytes).Finish());
  }
  absl::Status Check() const {
    auto check = WeightCheck::Start(files_);
    return check.ok() ? (*check)->Wait() : check.status();
  }

  const TempDirectory directory_;
  const std::string path_ = directory_.File("x.safetensors");
  WeightFiles files_;
  std::string digest_;
};

TEST_F(WeightCheckTest, ComparesWithTheList) {
  directory_.Write("SHA256SUMS", digest_ + "  x.safetensors\n");
  EXPECT_OK(Check());
  directory_.Write("SHA256SUMS", kA + "  x.safetensors\n");
  EXPECT_THAT(Check(),
              StatusIs(absl::StatusCode::kDataLoss,
                       path_ + ": its SHA-256 is " + digest_ + ", and " + kA +
                           " by " + directory_.File("SHA256SUMS")));
}

TEST_F(WeightCheckTest, ComparesWithTheNameOfTheBlobAtAnyLink) {
  const TempDirectory cache;
  for (const std::string& name : {digest_, kA}) {
    // snapshot -> blob -> storage
    cache.Link(path_, name);
    cache.Link(name, "link.safetensors");
    ASSERT_OK_AND_ASSIGN(const auto file,
                         SafetensorsFile::Open(cache.File("link.safetensors")));
    files_ = {file};
    if (name == digest_) {
      EXPECT_OK(Check());
    } else {
      EXPECT_THAT(Check(), StatusIs(absl::StatusCode::kDataLoss,
                                    AllOf(HasSubstr("link.safetensors: its"),
                                          HasSubstr("name of its blob"))));
    }
    std::filesystem::remove(cache.File("link.safetensors"));
  }
}

TEST_F(WeightCheckTest, ComparesWithWhatADownloadNoted) {
  std::filesystem::create_directories(
      directory_.File(".cache/huggingface/download"));
  const std::string note = ".cache/huggingface/download/x.safetensors.metadata";
  directory_.Write(note, "commit\n" + digest_ + "\n1764000000.5\n");
  EXPECT_OK(Check());
  directory_.Write(note, "commit\n" + kA + "\n1764000000.5\n");
  EXPECT_THAT(Check(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(note)));
  // The digest of a small file is another one.
  directory_.Write(note, "commit\n" + std::string(40, 'a') + "\n1\n");
  EXPECT_THAT(Check(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no checksum")));
}

TEST_F(WeightCheckTest, AFileWithoutAChecksumIsAnError) {
  EXPECT_THAT(Check(), StatusIs(absl::StatusCode::kNotFound,
                                HasSubstr(path_ + ": no checksum: " +
                                          directory_.File("SHA256SUMS") +
                                          " is not there")));
  directory_.Write("SHA256SUMS", digest_ + "  y.safetensors\n");
  EXPECT_THAT(Check(), StatusIs(absl::StatusCode::kNotFound,
                                HasSubstr("SHA256SUMS does not list it")));
  directory_.Write("SHA256SUMS", "nonsense\n");
  EXPECT_THAT(Check(), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("SHA256SUMS: line 1: must be")));
}

// What is checked is what is open.
TEST_F(WeightCheckTest, AFileThatIsReplacedIsNotReadAgain) {
  directory_.Write("SHA256SUMS", digest_ + "  x.safetensors\n");
  std::filesystem::remove(path_);
  directory_.Write("x.safetensors", "other");
  EXPECT_OK(Check());
}

TEST_F(WeightCheckTest, TheFirstFileThatDiffersIsNamed) {
  const std::string other = directory_.File("y.safetensors");
  WriteOneTensor(other, "y", 2);
  ASSERT_OK_AND_ASSIGN(const auto file, SafetensorsFile::Open(other));
  files_ = {file, files_[0]};
  directory_.Write("SHA256SUMS",
                   kA + "  x.safetensors\n" + kA + "  y.safetensors\n");
  EXPECT_THAT(Check(), StatusIs(absl::StatusCode::kDataLoss,
                                HasSubstr(other + ": its SHA-256")));
}

TEST_F(WeightCheckTest, AFileThatShrinksIsAnError) {
  directory_.Write("SHA256SUMS", digest_ + "  x.safetensors\n");
  std::filesystem::resize_file(path_, files_[0]->file_bytes() - 1);
  EXPECT_THAT(Check(), StatusIs(absl::StatusCode::kDataLoss,
                                AllOf(HasSubstr(path_),
                                      HasSubstr("1 bytes too early"))));
}

TEST_F(WeightCheckTest, WaitingIsAStageOfTheLoading) {
  cooper::testing::FakeClock clock;
  model::LoadProgress progress(&clock);
  directory_.Write("SHA256SUMS", digest_ + "  x.safetensors\n");
  ASSERT_OK_AND_ASSIGN(const auto check, WeightCheck::Start(files_));
  EXPECT_OK(check->Wait(&progress));
  EXPECT_EQ(progress.state().stage, model::LoadStage::kChecking);
}

}  // namespace
}  // namespace cooper::checkpoint
