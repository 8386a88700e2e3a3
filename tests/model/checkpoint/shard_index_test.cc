#include "model/checkpoint/shard_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/model/checkpoint/temp_directory.h"
#include "tests/testing/status_matchers.h"
#include "tests/tools/safetensors_writer.h"

namespace cooper::checkpoint {
namespace {

using ::cooper::testing::StatusIs;
using ::cooper::testing::TempDirectory;
using ::testing::HasSubstr;

constexpr char kIndex[] = "model.safetensors.index.json";

// A file with the one-byte tensor `tensor`.
void WriteShard(const std::string& path, const std::string& tensor) {
  ASSERT_OK_AND_ASSIGN(
      const auto writer,
      SafetensorsWriter::Create(path, {{tensor, DType::kUint8, {1}}}));
  ASSERT_OK(writer->Append("x", 1));
  ASSERT_OK(writer->Close());
}

TEST(ShardIndex, OpensEveryShardOnce) {
  const TempDirectory directory;
  WriteShard(directory.File("one.safetensors"), "a");
  WriteShard(directory.File("two.safetensors"), "b");
  directory.Write(kIndex, R"({"metadata":{"total_size":2},"weight_map":{
      "a":"one.safetensors","b":"two.safetensors"}})");
  ASSERT_OK_AND_ASSIGN(const auto shards, OpenShards(directory.path(), kIndex));
  ASSERT_EQ(shards.size(), 2);
  EXPECT_NE(shards[0]->Find("a"), nullptr);
  EXPECT_NE(shards[1]->Find("b"), nullptr);
}

TEST(ShardIndex, FollowsLinksWhereverTheyLead) {
  const TempDirectory directory;
  const TempDirectory elsewhere;
  WriteShard(elsewhere.File("0a1b"), "a");
  WriteShard(directory.File("two"), "b");
  elsewhere.Link("0a1b", "again");
  directory.Link(elsewhere.File("again"), "one.safetensors");
  directory.Link("two", "two.safetensors");
  elsewhere.Write("index", R"({"weight_map":{
      "a":"one.safetensors","b":"two.safetensors"}})");
  directory.Link(elsewhere.File("index"), kIndex);
  ASSERT_OK_AND_ASSIGN(const auto shards, OpenShards(directory.path(), kIndex));
  ASSERT_EQ(shards.size(), 2);
  EXPECT_EQ(shards[0]->path(), directory.File("one.safetensors"));
  EXPECT_NE(shards[0]->Find("a"), nullptr);
}

TEST(ShardIndex, NamesTheLinkThatLeadsNowhere) {
  const TempDirectory directory;
  directory.Link("../../blobs/0a1b", "one.safetensors");
  directory.Write(kIndex, R"({"weight_map":{"a":"one.safetensors"}})");
  EXPECT_THAT(OpenShards(directory.path(), kIndex),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("/blobs/0a1b, which does not exist")));
  EXPECT_OK(KindOfIndex(directory.path(), kIndex));
}

TEST(ShardIndex, RefusesNamesThatAreNoPlainFileNames) {
  const TempDirectory directory;
  WriteShard(directory.File("one.safetensors"), "a");
  for (const char* name :
       {"/etc/one.safetensors", "../one.safetensors", "./one.safetensors", "..",
        "sub/one.safetensors", "sub/../one.safetensors", "", "one.bin",
        R"(one\u0000.safetensors)"}) {
    directory.Write(kIndex,
                    std::string(R"({"weight_map":{"a":")") + name + "\"}}");
    EXPECT_THAT(OpenShards(directory.path(), kIndex),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("must be the name of a .safetensors file")))
        << name;
  }
}

TEST(ShardIndex, NamesTheShardThatIsMissing) {
  const TempDirectory directory;
  directory.Write(kIndex, R"({"weight_map":{"a":"one.safetensors"}})");
  EXPECT_THAT(OpenShards(directory.path(), kIndex),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("shard \"one.safetensors\": not found in " +
                                 directory.path())));
}

TEST(ShardIndex, CountsTheShardsThatAreMissing) {
  const TempDirectory directory;
  // Is not looked into: what is missing is said first.
  directory.Write("two.safetensors", "no weights");
  directory.Write(kIndex, R"({"weight_map":{"a":"one.safetensors",
      "b":"two.safetensors","c":"three.safetensors","d":"four.safetensors"}})");
  EXPECT_THAT(OpenShards(directory.path(), kIndex),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("shard \"four.safetensors\" and 2 more of "
                                 "4: not found in " +
                                 directory.path())));
}

TEST(ShardIndex, WhatItSaysOfTheAutoencoderIsPassedOver) {
  const TempDirectory directory;
  WriteShard(directory.File("one.safetensors"), "a");
  WriteShard(directory.File("ae.safetensors"), "encoder");
  directory.Write(kIndex, R"({"weight_map":{"a":"one.safetensors",
      "vae_model.encoder":"ae.safetensors"}})");
  ASSERT_OK_AND_ASSIGN(const auto shards, OpenShards(directory.path(), kIndex));
  ASSERT_EQ(shards.size(), 1);
  EXPECT_EQ(shards[0]->path(), directory.File("one.safetensors"));
  std::filesystem::remove(directory.File("one.safetensors"));
  for (const absl::Status& status :
       {OpenShards(directory.path(), kIndex).status(),
        KindOfIndex(directory.path(), kIndex).status()}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound,
                                 HasSubstr("\"one.safetensors\"")));
  }
}

TEST(ShardIndex, OfOnePlainFileIsToldApart) {
  const TempDirectory directory;
  for (const char* name : {"one.safetensors", "ema.safetensors"}) {
    WriteShard(directory.File(name), "a");
  }
  struct Row {
    const char* map;
    IndexKind kind;
  };
  for (const Row& row :
       {Row{R"({"a":"ema.safetensors"})", IndexKind::kOfPlainFile},
        Row{R"({"a":"ema.safetensors","encoder":"ae.safetensors"})",
            IndexKind::kOfPlainFile},
        Row{R"({"a":"one.safetensors"})", IndexKind::kOfShards},
        Row{R"({"a":"ema.safetensors","b":"one.safetensors"})",
            IndexKind::kOfShards}}) {
    directory.Write(kIndex, std::string(R"({"weight_map":)") + row.map + "}");
    ASSERT_OK_AND_ASSIGN(const IndexKind kind,
                         KindOfIndex(directory.path(), kIndex));
    EXPECT_EQ(kind, row.kind) << row.map;
  }
}

TEST(ShardIndex, NamesTheTensorThatIsNotInItsShard) {
  const TempDirectory directory;
  WriteShard(directory.File("one.safetensors"), "a");
  directory.Write(kIndex, R"({"weight_map":{"b":"one.safetensors"}})");
  EXPECT_THAT(OpenShards(directory.path(), kIndex),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("tensor \"b\" is not in one.safetensors")));
}

TEST(ShardIndex, NamesTheTensorThatIsInTwoShards) {
  const TempDirectory directory;
  for (const char* name : {"one.safetensors", "two.safetensors"}) {
    ASSERT_OK_AND_ASSIGN(const auto writer, SafetensorsWriter::Create(
                                                directory.File(name),
                                                {{"a", DType::kUint8, {0}},
                                                 {name, DType::kUint8, {0}}}));
    ASSERT_OK(writer->Close());
  }
  directory.Write(kIndex, R"({"weight_map":{
      "one.safetensors":"one.safetensors","two.safetensors":"two.safetensors"
      }})");
  EXPECT_THAT(
      OpenShards(directory.path(), kIndex),
      StatusIs(absl::StatusCode::kDataLoss,
               HasSubstr("\"a\" is in one.safetensors and in two.safeten")));
}

TEST(ShardIndex, RefusesAnIndexWithoutAWeightMap) {
  const TempDirectory directory;
  for (const char* text : {"{}", R"({"weight_map":[]})", R"({"weight_map":{}})",
                           R"({"weight_map":{"a":1}})",
                           R"({"weight_map":{"a":"ae.safetensors"}})"}) {
    directory.Write(kIndex, text);
    EXPECT_THAT(OpenShards(directory.path(), kIndex),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("index.json: weight_map: ")))
        << text;
  }
}

}  // namespace
}  // namespace cooper::checkpoint
