#include "model/checkpoint/path_hints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/model/checkpoint/temp_directory.h"

namespace cooper::checkpoint {
namespace {

using ::cooper::testing::TempDirectory;
using ::testing::HasSubstr;

void MakeFolders(const TempDirectory& directory, const std::string& name) {
  std::filesystem::create_directories(directory.File(name));
}

TEST(HintForMissing, NamesTheFolderBelow) {
  const TempDirectory models;
  EXPECT_EQ(HintForMissing({"llm_config.json"}, {models.path()}), "");
  MakeFolders(models, "BAGEL");
  models.Write("BAGEL/llm_config.json", "{}");
  EXPECT_EQ(HintForMissing({"llm_config.json"}, {models.path()}),
            ", but in " + models.File("BAGEL"));
  EXPECT_EQ(HintForMissing({"ae.safetensors"}, {models.path()}), "");
  for (const char* name : {"A", "C", ".hidden"}) {
    MakeFolders(models, name);
    models.Write(std::string(name) + "/llm_config.json", "{}");
  }
  EXPECT_EQ(HintForMissing({"llm_config.json"}, {models.path()}),
            ", but in " + models.File("A") + " and " + models.File("BAGEL") +
                " and others");
}

TEST(HintForMissing, FindsTheRevisionBelowTheHubsHome) {
  const TempDirectory home;
  const std::string revision = "hub/models--a--b/snapshots/0123";
  MakeFolders(home, revision);
  home.Link("../../blobs/0a", revision + "/llm_config.json");
  for (const char* path : {"", "/hub", "/hub/models--a--b/snapshots"}) {
    EXPECT_EQ(HintForMissing({"llm_config.json"}, {home.path() + path}),
              ", but in " + home.File(revision))
        << path;
  }
}

TEST(HintForMissing, NamesADownloadThatIsNotComplete) {
  for (const char* name : {"ema.safetensors.part", "ema.safetensors.aria2",
                           ".cache/huggingface/download/0a.0b.incomplete"}) {
    const TempDirectory directory;
    MakeFolders(directory, ".cache/huggingface/download");
    directory.Write(name, "x");
    EXPECT_EQ(HintForMissing({"ema.safetensors"}, {directory.path()}),
              "; a download is not complete: " + directory.File(name));
  }
  const TempDirectory cache;
  MakeFolders(cache, "blobs");
  MakeFolders(cache, "snapshots/0123");
  cache.Write("blobs/0a.incomplete", "x");
  for (const char* end : {"", "/"}) {
    EXPECT_EQ(
        HintForMissing({"ema.safetensors"},
                       {cache.File("snapshots/0123") + end}),
        "; a download is not complete: " + cache.File("blobs/0a.incomplete"));
  }
}

TEST(HintForMissing, AsksForTheBaseOfAFineTune) {
  const TempDirectory tune;
  tune.Write("ema.safetensors", "x");
  EXPECT_THAT(HintForMissing({"llm_config.json"}, {tune.path()}),
              HasSubstr("--checkpoint=BASE," + tune.path()));
  const TempDirectory base;
  EXPECT_EQ(HintForMissing({"llm_config.json"}, {base.path(), tune.path()}),
            "");
  tune.Write("ae.safetensors", "x");
  EXPECT_EQ(HintForMissing({"llm_config.json"}, {tune.path()}), "");
}

}  // namespace
}  // namespace cooper::checkpoint
