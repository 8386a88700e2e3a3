#include "client/cli/output_folder.h"

#include <sstream>

#include "tests/client/events.h"
#include "tests/testing/status_matchers.h"

namespace cooper::client {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

TEST(OutputFolderTest, MakesFoldersAndAppendsEvents) {
  const std::string path = ::testing::TempDir() + "/output_folder_test/a/b";
  ASSERT_OK_AND_ASSIGN(OutputFolder folder, OutputFolder::Create(path));
  ASSERT_OK(folder.AppendEvent("{1}"));
  EXPECT_EQ(Read(path + "/events.jsonl"), "{1}\n");  // while it is open
  ASSERT_OK(folder.AppendEvent("{2}"));
  ASSERT_OK(folder.Write("x", std::string("a\0b", 3)));
  EXPECT_EQ(Read(path + "/events.jsonl"), "{1}\n{2}\n");
  EXPECT_EQ(Read(path + "/x"), std::string("a\0b", 3));
}

TEST(OutputFolderTest, AFileInItsPlaceIsAnError) {
  const std::string path = ::testing::TempDir() + "/output_folder_test_file";
  std::ofstream(path) << "x";
  EXPECT_THAT(OutputFolder::Create(path),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
}

TEST(OutputFolderTest, AFileThatCannotBeWrittenIsAnError) {
  const std::string path = ::testing::TempDir() + "/output_folder_test_gone";
  ASSERT_OK_AND_ASSIGN(OutputFolder folder, OutputFolder::Create(path));
  std::filesystem::create_directory(path + "/taken");
  EXPECT_THAT(folder.Write("taken", "x"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("taken")));
}

TEST(OutputFolderTest, FileNamesTellMapKindAndRole) {
  EXPECT_EQ(MapFileName(MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_VALUES,
                                 v1::MAP_ENCODING_PNG_GREY16, "x")
                            .map()),
            "map0-depth-values.png");
  EXPECT_EQ(MapFileName(MapEvent(1, v1::MAP_KIND_SEGMENTATION,
                                 v1::MAP_ROLE_AS_SEEN_BY_MODEL,
                                 v1::MAP_ENCODING_PNG_RGB8, "x")
                            .map()),
            "map1-segmentation-as_seen_by_model.png");
  EXPECT_EQ(MapFileName(MapEvent(2, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_VALUES,
                                 v1::MAP_ENCODING_RAW_FLOAT32, "x")
                            .map()),
            "map2-depth-values.f32");
  EXPECT_EQ(PreviewFileName(3, 5), "map3-preview-005.png");
}

}  // namespace
}  // namespace cooper::client
