#include "model/checkpoint/file_lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "model/checkpoint/json_file.h"
#include "model/checkpoint/safetensors.h"
#include "tests/model/checkpoint/temp_directory.h"
#include "tests/testing/status_matchers.h"

namespace cooper::checkpoint {
namespace {

using ::cooper::testing::StatusIs;
using ::cooper::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr char kLfsPointer[] =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid "
    "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
    "\nsize 12345\n";

// A user without rights, while it lives; the tests may run as root.
class WithoutRights {
 public:
  WithoutRights() : user_(::geteuid()) { Become(65534); }
  ~WithoutRights() { Become(0); }

 private:
  void Become(uid_t other) const {
    if (user_ != 0) return;
    EXPECT_EQ(::seteuid(other), 0);
  }

  const uid_t user_;
};

TEST(CheckDirectory, TakesDirectoriesAndLinksToThem) {
  const TempDirectory directory;
  directory.Link(directory.path(), "link");
  EXPECT_OK(CheckDirectory(directory.path()));
  EXPECT_OK(CheckDirectory(directory.path() + "/"));
  EXPECT_OK(CheckDirectory(directory.File("link")));
}

TEST(CheckDirectory, SaysWhatAPathIsInstead) {
  const TempDirectory directory;
  directory.Write("file", "");
  directory.Link("nowhere", "dangling");
  directory.Link("loop", "loop");
  struct Row {
    std::string path;
    absl::StatusCode code;
    const char* message;
  };
  for (const Row& row :
       {Row{directory.File("none"), absl::StatusCode::kNotFound,
            "none: no such directory"},
        Row{directory.File("file"), absl::StatusCode::kInvalidArgument,
            "file: a file; the directory that holds it is needed"},
        Row{directory.File("file/x"), absl::StatusCode::kFailedPrecondition,
            "Not a directory"},
        Row{directory.File("dangling"), absl::StatusCode::kNotFound,
            "nowhere, which does not exist"},
        Row{directory.File("loop"), absl::StatusCode::kUnknown,
            "symbolic links"},
        Row{"Starrrrrry/COOPER", absl::StatusCode::kNotFound,
            "hf download Starrrrrry/COOPER"},
        Row{"ByteDance-Seed/BAGEL-7B-MoT", absl::StatusCode::kNotFound,
            "hf download ByteDance-Seed/BAGEL-7B-MoT"},
        Row{"~/models", absl::StatusCode::kNotFound, "write $HOME"},
        Row{"~other", absl::StatusCode::kNotFound, "write $HOME"},
        Row{"hf://a/b", absl::StatusCode::kNotFound, "this is a URL"},
        Row{"$HOME/x", absl::StatusCode::kNotFound, "did not expand"},
        Row{"'/models'", absl::StatusCode::kNotFound, "quotation marks"},
        Row{directory.path() + ":/b", absl::StatusCode::kNotFound,
            "separated by a comma"},
        Row{directory.path() + " /b", absl::StatusCode::kNotFound,
            "separated by a comma"},
        Row{"", absl::StatusCode::kNotFound, "no such directory"}}) {
    EXPECT_THAT(CheckDirectory(row.path),
                StatusIs(row.code, HasSubstr(row.message)))
        << row.path;
  }
  for (const char* path : {"/a/b", "./a/b", "../a", "a", "a/b/c"}) {
    EXPECT_THAT(std::string(CheckDirectory(path).message()),
                ::testing::Not(HasSubstr("hub")))
        << path;
  }
}

TEST(CheckDirectory, PointsToTheRevisionInTheHubsCache) {
  const TempDirectory cache;
  for (const char* name : {"blobs", "refs", "snapshots", "snapshots/abc"}) {
    std::filesystem::create_directory(cache.File(name));
  }
  EXPECT_THAT(CheckDirectory(cache.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("give the folder of a revision in it: " +
                                 cache.File("snapshots/abc"))));
  std::filesystem::create_directory(cache.File("snapshots/def"));
  cache.Write("refs/main", "def\n");
  EXPECT_THAT(std::string(CheckDirectory(cache.path()).message()),
              HasSubstr(cache.File("snapshots/def")));
  for (const char* name : {"snapshots", "blobs"}) {
    EXPECT_THAT(std::string(CheckDirectory(cache.File(name)).message()),
                HasSubstr(cache.File("snapshots/def")));
  }
  EXPECT_OK(CheckDirectory(cache.File("snapshots/def")));
}

TEST(FindFile, TakesTheLastDirectorysAndFollowsLinksOfLinks) {
  const TempDirectory base;
  const TempDirectory tune;
  base.Write("a", "");
  base.Write("b", "");
  tune.Write("real", "");
  tune.Link("real", "..data");
  tune.Link("..data", "a");
  const Directories both = {base.path(), tune.path()};
  EXPECT_THAT(*FindFile(both, "a"), Optional(tune.File("a")));
  EXPECT_THAT(*FindFile(both, "b"), Optional(base.File("b")));
  EXPECT_EQ(*FindFile(both, "c"), std::nullopt);
  EXPECT_THAT(*FindFile({base.path() + "/"}, "a"), Optional(base.File("a")));
}

TEST(FindFile, WhatIsThereButCannotBeReadIsNotAbsent) {
  const TempDirectory base;
  const TempDirectory tune;
  base.Write("x", "");
  const Directories both = {base.path(), tune.path()};
  tune.Link("one", "x");
  tune.Link("blobs/two", "one");
  EXPECT_THAT(FindFile(both, "x"),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr(tune.File("x") + ": a symbolic link to"),
                             HasSubstr(tune.File("blobs/two") +
                                       ", which does not exist"))));
  std::filesystem::remove(tune.File("x"));
  std::filesystem::create_directory(tune.File("x"));
  EXPECT_THAT(FindFile(both, "x"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(tune.File("x") + ": a directory")));
}

TEST(FindFile, SaysThatPermissionIsDenied) {
  const TempDirectory directory;
  directory.Write("x", "{}");
  ASSERT_EQ(::chmod(directory.path().c_str(), 0), 0);
  {
    const WithoutRights user;
    EXPECT_THAT(FindFile({directory.path()}, "x"),
                StatusIs(absl::StatusCode::kPermissionDenied,
                         AllOf(HasSubstr(directory.File("x")),
                               HasSubstr("Permission denied"))));
  }
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(directory.File("x").c_str(), 0), 0);
  const WithoutRights user;
  EXPECT_THAT(ReadTextFile(directory.File("x")),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr(directory.File("x"))));
  EXPECT_THAT(SafetensorsFile::Open(directory.File("x")),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr(directory.File("x"))));
}

TEST(FindVocabulary, IsTheLastDirectorysAndNotHalfOfOne) {
  const TempDirectory base;
  const TempDirectory tune;
  base.Write("vocab.json", "");
  base.Write("merges.txt", "");
  const Directories both = {base.path(), tune.path()};
  EXPECT_EQ(*FindVocabulary(both), base.path());
  tune.Write("merges.txt", "");
  EXPECT_THAT(FindVocabulary(both),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr(tune.File("vocab.json"))));
  tune.Write("tokenizer.json", "");
  EXPECT_EQ(*FindVocabulary(both), tune.path());
}

TEST(ForeignContent, IsNamedInTextFilesAndWeightFiles) {
  struct Row {
    std::string bytes;
    const char* message;
  };
  const TempDirectory directory;
  for (const Row& row :
       {Row{kLfsPointer,
            "a Git LFS pointer in place of the file of 12345 bytes"},
        Row{"\n <!DOCTYPE html><html>", "a web page in place of the file"},
        Row{std::string("PK\x03\x04\x14\x00", 6) + std::string(600, 'x'),
            "a PyTorch file"},
        Row{std::string("\x80\x02}q\x00", 5) + std::string(20, 'x'),
            "a PyTorch file"},
        Row{"GGUF" + std::string(20, 'x'), "a GGUF file"},
        Row{std::string(4096, '\0'), "nothing but zeros"}}) {
    directory.Write("x", row.bytes);
    EXPECT_THAT(SafetensorsFile::Open(directory.File("x")),
                StatusIs(absl::StatusCode::kDataLoss,
                         HasSubstr(directory.File("x") + ": " + row.message)));
    EXPECT_THAT(ReadTextFile(directory.File("x")),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(directory.File("x") + ": " + row.message)));
  }
}

// The length of a header may begin like a pickle.
TEST(ForeignContent, AHeaderOf640BytesIsNone) {
  const TempDirectory directory;
  std::string header = "{}";
  header.resize(640, ' ');
  directory.Write("x", std::string("\x80\x02\0\0\0\0\0\0", 8) + header);
  EXPECT_OK(SafetensorsFile::Open(directory.File("x")));
}

TEST(ReadTextFile, LeavesOutAByteOrderMark) {
  const TempDirectory directory;
  directory.Write("x", "\xEF\xBB\xBF{}");
  EXPECT_EQ(*ReadTextFile(directory.File("x")), "{}");
}

}  // namespace
}  // namespace cooper::checkpoint
